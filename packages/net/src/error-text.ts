/** The text of whatever was thrown, for log lines and INFO. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
