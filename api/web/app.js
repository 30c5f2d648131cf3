// The page: its parts put together, and what happens when something is drawn.

import { $, $$, debounce, h, icon, say, tabs, toast } from './dom.js'
import { Failure, key, loras as listLoRAs, models, onKeyNeeded, ready, submit } from './client.js'
import { adopt, change, dice, form, onChange, request } from './form.js'
import { learn } from './choices.js'
import { defs } from './fabrics.js'
import { bodyPanel, fieldsets, figure, outfitPanel, shuffled } from './panels.js'
import { loras } from './loras.js'
import { marks } from './marks.js'
import { offerSamplers, settings, sizes } from './settings.js'
import { callsDialog, copyable } from './calls.js'
import * as gallery from './gallery.js'
import { show, view } from './view.js'
import { asPNG } from './brush.js'

document.body.append(defs())
for (const place of $$('[data-icon]')) place.prepend(icon(place.dataset.icon))

// Panels.
const refreshBody = bodyPanel($('#body-fields'))
const outfitFields = outfitPanel($('#outfit-fields'))
figure($('#figure'))
settings()
const suitSizes = sizes()
const offerLoRAs = loras()
const showTab = tabs($('#sides'), (id) => {
  $('#figure').hidden = id === 'panel-text'
  if (form.tab === id) return
  change({ tab: id })
  $('#composer').scrollTop = 0
})
showTab($(`#${CSS.escape(form.tab)}`) ? form.tab : 'panel-body')
const understand = marks((e) => refused(e, true))
const showCalls = callsDialog()
$('#code').addEventListener('click', () => showCalls({ route: 'generations', fields: request() }))
for (const b of $$('dialog [data-close]')) b.addEventListener('click', () => b.closest('dialog').close())
for (const d of $$('dialog')) d.addEventListener('click', (e) => { if (e.target === d) d.close() })
$('#shuffle').addEventListener('click', () => change({ ...shuffled(), seed: dice() }))
$('#clear').addEventListener('click', () => {
  change({ prompt: '', body: {}, outfit: {} })
  say('Nothing is chosen now')
})

// The theme: the system's, or the one that is chosen here.
const dark = matchMedia('(prefers-color-scheme: dark)')
const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? 'dark' : 'light')) === 'dark'
const themeButton = $('#theme')
const tellTheme = () => {
  themeButton.setAttribute('aria-label', isDark() ? 'Light theme' : 'Dark theme')
  themeButton.replaceChildren(icon(isDark() ? 'sun' : 'moon'))
}
themeButton.addEventListener('click', () => {
  const next = isDark() ? 'light' : 'dark'
  document.documentElement.dataset.theme = next
  try {
    localStorage.setItem('cosmicman.theme', next)
  } catch {
    // It lasts as long as the page.
  }
  tellTheme()
})
dark.addEventListener('change', tellTheme)
tellTheme()

// Errors stand at what they are about.
const where = { steps: 'num_inference_steps', width: 'size', height: 'size' }
let shownQuietly = false
function clearErrors() {
  shownQuietly = false
  for (const p of $$('.error')) {
    p.hidden = true
    p.textContent = ''
  }
  for (const c of $$('[aria-invalid]')) {
    c.removeAttribute('aria-invalid')
    c.removeAttribute('aria-errormessage')
  }
  $('#alert').hidden = true
}

// home finds the field of a parameter such as outfit.top.color, or of what it is in.
function home(param) {
  for (let name = where[param] ?? param.replace(/^lora\[.*/, 'lora'); name; name = name.slice(0, Math.max(0, name.lastIndexOf('.')))) {
    const slot = /^outfit\.(\w+)/.exec(name)?.[1]
    if (slot && $(`[data-slot="${slot}"]`)) outfitFields.show(slot)
    const found = fieldsets().find((f) => f.dataset.param === name)
    if (found) return found
  }
  return undefined
}

// refused shows why the server did not do something. quietly: while somebody types,
// so nothing moves, and what is not about a field is left out.
function refused(e, quietly) {
  const field = e?.param && home(e.param)
  const place = field && (field.matches('.error') ? field : $('.error', field))
  // Who types takes back what typing brought, and not why drawing was refused.
  if (!quietly || place || shownQuietly) clearErrors()
  if (!e || (quietly && !place)) return
  shownQuietly = !!quietly
  const text = e instanceof Failure ? e.message : 'The server cannot be reached. Is it running?'
  if (!place) return alertOf(text, e)
  place.id ||= `error-${e.param}`
  place.textContent = text
  place.hidden = false
  for (const c of $$('input, textarea, select', field)) {
    c.setAttribute('aria-invalid', 'true')
    c.setAttribute('aria-errormessage', place.id)
  }
  if (quietly) return
  const panel = field.closest('[role=tabpanel]')
  if (panel) showTab(panel.id)
  for (let d = field.closest('details'); d; d = d.parentElement.closest('details')) d.open = true
  const control = $('input:not([type=radio]), textarea, select', field) ?? $('input', field)
  control?.focus({ preventScroll: true })
  field.scrollIntoView({ block: 'center' })
  say(text)
}

function alertOf(text, e) {
  const box = $('#alert')
  const wait = e?.retryAfter ? ` Try again in ${Math.ceil(e.retryAfter)} s.` : ''
  box.replaceChildren(icon('warn'), h('span', null, text + wait))
  box.hidden = false
  box.scrollIntoView({ block: 'nearest' })
}

// draw asks for images, and returns whether the server has accepted.
async function draw(what, button) {
  clearErrors()
  button.disabled = true
  button.setAttribute('aria-busy', 'true')
  try {
    const job = await submit({ ...what, fields: { ...what.fields, response_format: 'b64_json' } })
    say('Accepted')
    await gallery.began(job, what)
    return true
  } catch (e) {
    refused(e)
    return false
  } finally {
    button.disabled = false
    button.removeAttribute('aria-busy')
  }
}

const drawButton = $('#draw')
$('#composer').addEventListener('submit', async (e) => {
  e.preventDefault()
  if (drawButton.disabled) return
  if (!form.keepSeed) change({ seed: dice() })
  await draw({ route: 'generations', fields: request() }, drawButton)
})
addEventListener('keydown', (e) => {
  if (e.key === 'Enter' && (e.ctrlKey || e.metaKey) && !$('dialog[open]')) $('#composer').requestSubmit()
})

// onlyOn are fields that a route takes.
const not = { variations: ['prompt', 'body', 'outfit', 'output_format', 'long_prompt', 'prompt_syntax', 'size'], edits: ['size', 'n'] }
const onlyOn = (route, fields) => Object.fromEntries(Object.entries(fields).filter(([name]) => !not[route]?.includes(name)))

view({
  // again draws with what an image was drawn from, its seed too.
  async again(item) {
    if (item.route === 'generations') adopt(item.fields)
    else change({ seed: item.seed, keepSeed: true })
    await draw({ route: item.route, fields: { ...item.fields }, pictures: item.pictures }, drawButton)
  },
  async variation(item) {
    const fields = onlyOn('variations', { ...request(), seed: dice(), n: undefined })
    await draw({ route: 'variations', fields: JSON.parse(JSON.stringify(fields)), pictures: { image: await asPNG(item.blob) } }, drawButton)
  },
  async edit(item, pictures, strength, button) {
    if (!form.keepSeed) change({ seed: dice() })
    return draw({ route: 'edits', fields: { ...onlyOn('edits', request()), strength }, pictures }, button)
  },
  adopt(item) {
    adopt(item.fields)
    toast('The form is as it was for this image')
  },
  code: (item) => showCalls({ route: item.route, fields: item.fields, pictures: item.pictures }),
})

// Own pictures.
const own = $('#own')
own.addEventListener('change', async () => {
  const [file] = own.files
  own.value = ''
  if (file) await take(file)
})
async function take(file) {
  try {
    await gallery.add(file)
  } catch {
    toast('That is not a picture that the browser can open')
  }
}
addEventListener('dragover', (e) => { if (e.dataTransfer?.types.includes('Files')) e.preventDefault() })
addEventListener('drop', (e) => {
  const file = [...(e.dataTransfer?.files ?? [])].find((f) => f.type.startsWith('image/'))
  if (!file) return
  e.preventDefault()
  take(file)
})

// The key, where the server wants one.
const keyDialog = $('#key-dialog')
const keyBox = $('#key')
let asking
onKeyNeeded((failure, had) => {
  asking ??= new Promise((resolve) => {
    $('#key-why').textContent = had ? 'That key was not accepted.' : ''
    keyBox.value = ''
    keyDialog.returnValue = ''
    keyDialog.addEventListener('close', () => {
      asking = undefined
      const given = keyDialog.returnValue === 'use' && keyBox.value.trim()
      if (given) key.set(keyBox.value.trim())
      tellKey()
      resolve(!!given)
    }, { once: true })
    keyDialog.showModal()
  })
  return asking
})
const forget = $('#forget')
const tellKey = () => { forget.hidden = key.get() === '' }
forget.addEventListener('click', () => {
  key.set('')
  tellKey()
  toast('The key is forgotten')
  known = []
  look()
})
tellKey()

// What the server can do.
const modelSelect = $('#model')
let known = []
let files = [] // of LoRAs
modelSelect.addEventListener('change', () => change({ model: modelSelect.value === known[0]?.id ? '' : modelSelect.value }))
// suit offers what the chosen model can do.
function suit() {
  const model = known.find((m) => m.id === form.model) ?? known[0]
  suitSizes(model)
  offerLoRAs(files, model)
  if (model?.samplers?.length) offerSamplers(model.samplers)
}
function tellModels() {
  const names = known.filter((m) => !m.alias_of)
  modelSelect.replaceChildren(...names.map((m) => h('option', { value: m.id }, m.id)))
  if (form.model && !names.some((m) => m.id === form.model)) change({ model: '' })
  modelSelect.value = form.model || names[0]?.id || ''
  modelSelect.closest('label').hidden = names.length === 0
  suit()
}
onChange((names) => { if (names.includes('model')) { modelSelect.value = form.model || known[0]?.id || ''; suit() } })

const pill = $('#status')
const tellStatus = (kind, text) => {
  pill.dataset.kind = kind
  if ($('span', pill).textContent !== text) $('span', pill).textContent = text
}

let timer
// look finds out how the server is, and comes back: often while it cannot draw.
async function look() {
  clearTimeout(timer)
  let next = 30_000
  try {
    const why = await ready()
    const first = known.length === 0
    // Workers elsewhere may bring models yet; a server that was started for none has none.
    const none = why.includes('without a model')
    if (none) known = []
    else {
      if (first || why) known = await models()
      files = await listLoRAs()
      offerLoRAs(files, known.find((m) => m.id === form.model) ?? known[0])
    }
    if (first && known.length) {
      tellModels()
      understand()
      learn().then(() => { refreshBody(); outfitFields.refresh() }, () => {})
    }
    $('#setup').hidden = !none
    $('#main').classList.toggle('no-model', none)
    if (!why) tellStatus('ready', 'Ready')
    else {
      next = 2000
      tellStatus('waiting', none ? 'No model' : `Not ready: ${why}`)
    }
  } catch (e) {
    next = 2000
    tellStatus('away', e instanceof Failure && e.status === 401 ? 'A key is needed' : 'Server not reached')
    if (e instanceof Failure && e.status === 401) next = 0
  }
  if (next) timer = setTimeout(look, next)
}
pill.addEventListener('click', look)
addEventListener('online', debounce(look, 100))
$$('pre[data-copy]').forEach(copyable)

await gallery.open({ select: show, failure: (e) => refused(e) })
if (!gallery.current()) show(undefined)
await look()
document.documentElement.dataset.ready = 'true'
