// What the form holds: one object that panels change and everybody hears of. It
// is kept in the browser, so that a reload loses nothing.

const where = 'cosmicman.form'

// first is what a visitor finds: enough to draw at once. example: the figure is still that
// of here, which nobody has chosen.
const first = () => ({
  tab: 'panel-body',
  prompt: '',
  body: {
    shot: 'full_body', country: '', age: 'adult', gender: 'female', shape: 'fit',
    hair: { style: 'wavy', color: 'brown', length: 'above shoulders' }, background: 'small road with trees',
  },
  outfit: {
    top: { type: 'blouse', color: 'white', sleeve_length: 'long sleeve', material: 'cotton' },
    bottom: { type: 'skirt', color: 'blue', length: 'midi', bottom_shape: 'pleated' },
    shoes: { type: 'loafers', color: 'brown', material: 'leather' },
  },
  negative_prompt: '', model: '', size: 'auto', steps: 30, guidance_scale: 7.5, sampler: 'ddim', seed: 17, keepSeed: false, n: 1,
  output_format: 'png', long_prompt: 'chunk', prompt_syntax: 'plain', lora: [],
  example: true,
})

function stored() {
  try {
    const kept = JSON.parse(localStorage.getItem(where))
    return kept && typeof kept === 'object' ? kept : {}
  } catch {
    return {}
  }
}

export const form = { ...first(), ...stored() }

const hearers = new Set()
// onChange calls f with the names of what has changed.
export const onChange = (f) => hearers.add(f)

// change sets some fields and tells everybody.
export function change(fields) {
  if (form.example && (fields.body || fields.outfit)) fields = { ...fields, example: false }
  // Who writes instead of choosing means somebody else than the example.
  else if (form.example && fields.prompt) fields = { ...fields, body: {}, outfit: {}, example: false }
  Object.assign(form, fields)
  try {
    localStorage.setItem(where, JSON.stringify(form))
  } catch {
    // Full, or forbidden: then the form lasts as long as the page.
  }
  const names = Object.keys(fields)
  for (const f of hearers) f(names)
}

// choose sets one attribute of body or outfit by its path, such as hair.color;
// '' takes it away.
export function choose(side, path, value) {
  const next = structuredClone(form[side])
  const names = path.split('.')
  const last = names.pop()
  let at = next
  for (const name of names) {
    if (typeof at[name] !== 'object') at[name] = {}
    at = at[name]
  }
  if (value === '' || value === undefined) delete at[last]
  else at[last] = value
  change({ [side]: next })
}

// chosen is what is set at a path.
export function chosen(side, path) {
  let at = form[side]
  for (const name of path.split('.')) at = at?.[name]
  return at ?? ''
}

// pruned is an object without what is empty, or undefined when nothing is left.
export function pruned(o) {
  const out = {}
  for (const [name, v] of Object.entries(o)) {
    const kept = v && typeof v === 'object' ? pruned(v) : v
    if (kept !== '' && kept !== undefined && kept !== null) out[name] = kept
  }
  return Object.keys(out).length ? out : undefined
}

// described is the part of a request that says what is drawn.
export function described() {
  const out = {}
  const body = pruned(form.body)
  const outfit = pruned(form.outfit)
  if (body) out.body = body
  if (outfit) out.outfit = outfit
  if (form.prompt.trim() || (!body && !outfit)) out.prompt = form.prompt.trim()
  return out
}

// defaults of the API: what is not said there is so.
const defaults = { negative_prompt: '', model: '', size: 'auto', n: 1, output_format: 'png', long_prompt: 'chunk', prompt_syntax: 'plain' }

// request is the form as fields of POST /v1/images/generations, seed and all.
export function request() {
  const out = described()
  for (const name of ['model', 'negative_prompt', 'size', 'n', 'output_format', 'long_prompt', 'prompt_syntax']) {
    if (form[name] !== defaults[name]) out[name] = form[name]
  }
  if (form.lora.length) out.lora = form.lora
  return { ...out, num_inference_steps: form.steps, guidance_scale: form.guidance_scale, sampler: form.sampler, seed: form.seed }
}

// adopt sets the form to what an image was drawn from.
export function adopt(fields) {
  change({
    prompt: fields.prompt ?? '', body: fields.body ?? {}, outfit: fields.outfit ?? {},
    ...Object.fromEntries(Object.keys(defaults).filter((k) => k !== 'model').map((k) => [k, fields[k] ?? defaults[k]])),
    ...(fields.model ? { model: fields.model } : {}),
    ...(fields.num_inference_steps ? { steps: fields.num_inference_steps } : {}),
    ...(fields.guidance_scale !== undefined ? { guidance_scale: fields.guidance_scale } : {}),
    ...(fields.sampler ? { sampler: fields.sampler } : {}),
    lora: fields.lora ?? [], seed: fields.seed, keepSeed: true,
  })
}

// dice is a seed at random, of as many digits as the server's own.
export const dice = () => crypto.getRandomValues(new Uint32Array(1))[0]
