/** The large forms, by number. New form: its row here, its builder in builders.ts. */
import { FORM_FIRST, FORM_HASH_TABLE, FORM_SET_TABLE } from './form-numbers.ts'
import { hashTableForm } from './hash-form.ts'
import { setTableForm } from './set-form.ts'
import type { ValueForm } from './value-form.ts'

const FORMS: (ValueForm | undefined)[] = []
FORMS[FORM_HASH_TABLE - FORM_FIRST] = hashTableForm
FORMS[FORM_SET_TABLE - FORM_FIRST] = setTableForm

/** The form of a large value. */
export function formOf(form: number): ValueForm {
  return FORMS[form - FORM_FIRST]!
}
