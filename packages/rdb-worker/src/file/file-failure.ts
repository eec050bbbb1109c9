/** What the system says about a file, in words an operator can act on. */
import { ReplicaError } from '@understudy/core/loading'

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file is larger than is allowed',
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EIO: 'input/output error',
  ENOENT: 'no such file or directory',
  EMFILE: 'too many open files',
}

/** @param action what was tried: 'cannot write' */
export function fileFailure(action: string, path: string, cause: unknown): ReplicaError {
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined
  const reason = code === undefined ? String(cause) : `${REASONS[code] ?? 'the system refused it'} (${code})`
  return new ReplicaError('FILE_FAILED', `${action} ${path}: ${reason}`, { cause, retryable: code === 'ENOSPC' })
}
