/** The large forms, by number. New form: its row here, its builder in builders.ts. */
import { FORM_FIRST, FORM_HASH_TABLE, FORM_LIST, FORM_SET_TABLE, FORM_STREAM, FORM_ZSET } from './form-numbers.ts'
import { hashTableForm } from './hash-form.ts'
import { listForm } from './list-form.ts'
import { setTableForm } from './set-form.ts'
import { streamForm } from './stream-form.ts'
import type { ValueForm } from './value-form.ts'
import { zsetForm } from './zset-form.ts'

const FORMS: (ValueForm | undefined)[] = []
FORMS[FORM_HASH_TABLE - FORM_FIRST] = hashTableForm
FORMS[FORM_SET_TABLE - FORM_FIRST] = setTableForm
FORMS[FORM_LIST - FORM_FIRST] = listForm
FORMS[FORM_STREAM - FORM_FIRST] = streamForm
FORMS[FORM_ZSET - FORM_FIRST] = zsetForm

/** The form of a large value. */
export function formOf(form: number): ValueForm {
  return FORMS[form - FORM_FIRST]!
}
