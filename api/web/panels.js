// The panels of body and outfit: radio buttons with pictures, so that keys and screen
// readers find what they know. A choice can be taken back by its first button.

import { $, $$, h, icon, s, unique } from './dom.js'
import { choose, chosen, form, onChange } from './form.js'
import { body as bodyChoices, named, others, outfit as slots, styles } from './choices.js'
import { doll } from './doll.js'
import { cloth, hair as hairColors } from './colors.js'
import { fabricID } from './fabrics.js'
import { scene } from './scenes.js'

const any = ''
const usualHair = { female: { style: 'wavy', length: 'above chest', color: 'brown' }, male: { style: 'crew cut', color: 'brown' } }

// picture draws one value of a choice, on the person as it is otherwise.
const picture = {
  shot(v) {
    const cut = { full_body: [0, 0, 200, 440], nearly_full_body: [20, 0, 160, 340], upper_body: [40, 0, 120, 220], portrait: [45, 4, 110, 130], headshot: [58, 8, 84, 88] }[v]
    return doll(form.body, form.outfit, { crop: cut })
  },
  person: (v, c) => doll({ gender: form.body.gender, age: form.body.age, shape: form.body.shape, [c.path]: v, hair: c.path === 'gender' ? usualHair[v] : form.body.hair }, { top: { type: 't-shirt', color: 'gray', sleeve_length: 'short sleeve' }, bottom: { type: 'pants', color: 'gray' } }, { crop: [24, 0, 152, 424] }),
  hair(v, c) {
    const hair = { color: 'brown', style: 'straight', ...form.body.hair, [c.path.slice(5)]: v }
    return doll({ hair }, { top: { color: 'gray' } }, { crop: c.path === 'hair.length' ? [48, 4, 104, 130] : [50, 0, 100, 112] })
  },
  scene: (v) => scene(v),
  'hair-color': (v) => swatch(hairColors[v] ?? cloth[v]),
  color: (v) => swatch(cloth[v]),
  garment: (v, c) => worn(c, { [c.name]: v }),
  fabric: (v, c) => s('svg', { viewBox: '0 0 40 40', 'aria-hidden': 'true', class: 'fabric' },
    s('rect', { width: 40, height: 40, fill: ground(c.slot) }),
    v !== 'solid color' && s('rect', { width: 40, height: 40, fill: `url(#${fabricID(v)})` })),
}

// ground is the colour that fabrics of a slot are shown on; on white most would not be seen.
function ground(slot) {
  const color = [chosen('outfit', `${slot}.color`)].flat()[0]
  return color === 'white' ? '#d9d3c4' : cloth[color] ?? '#9aa1b0'
}

function swatch(color) {
  return s('svg', { viewBox: '0 0 40 40', 'aria-hidden': 'true', class: 'swatch' }, s('circle', { cx: 20, cy: 20, r: 17, fill: color }))
}

// worn draws a garment on a faint body, with one attribute changed.
function worn(c, change) {
  const now = form.outfit[c.slot]
  const base = now && typeof now === 'object' ? now : c.start
  const garment = { ...(c.name === 'type' ? { color: base.color } : base), ...change }
  return doll(null, { [c.slot]: { color: 'blue', ...garment } }, { crop: c.crop, faint: true })
}

// field makes the radio buttons of one choice, a box for other words, and where errors
// about it are shown.
function field(side, path, c) {
  const full = `${side}.${path}`
  const group = unique('choice')
  const own = h('input', { class: 'other', type: 'text', list: `${group}-list`, placeholder: 'In your own words', 'aria-label': `${c.legend}, in your own words`, maxlength: 500, autocomplete: 'off' })
  const buttons = [any, ...c.values].map((v) => {
    const input = h('input', { type: 'radio', name: group, value: v })
    input.addEventListener('change', () => choose(side, path, v))
    return h('label', { class: `choice ${v === any ? 'any' : c.kind}`, title: v === any ? 'Not said' : named(v) }, input,
      h('span', { class: 'face' }, v === any ? icon('none') : h('span', { class: 'picture' }), h('span', { class: 'name' }, v === any ? 'Any' : named(v))))
  })
  own.addEventListener('change', () => choose(side, path, own.value.trim()))
  own.addEventListener('keydown', (e) => { if (e.key === 'Enter') { e.preventDefault(); choose(side, path, own.value.trim()) } })
  const box = h('div', { class: 'own', id: `${group}-own`, hidden: true }, own, h('datalist', { id: `${group}-list` }))
  const more = h('button', { type: 'button', class: 'more-words', 'aria-expanded': 'false', 'aria-controls': box.id, title: `${c.legend}: something else` }, h('span', { 'aria-hidden': 'true' }, '+'), h('span', { class: 'name' }, 'Other'))
  more.addEventListener('click', () => {
    box.hidden = !box.hidden
    more.setAttribute('aria-expanded', !box.hidden)
    if (!box.hidden) own.focus()
  })
  const set = h('fieldset', { class: `field ${c.kind}`, 'data-param': full },
    h('legend', null, c.legend),
    h('div', { class: 'choices' }, buttons, c.kind === 'shot' ? null : more),
    c.kind === 'shot' ? null : box,
    h('p', { class: 'error', hidden: true }))
  const refresh = () => {
    const now = [chosen(side, path)].flat().join(', ')
    const pictured = c.values.includes(now)
    for (const b of buttons) {
      const input = $('input', b)
      input.checked = input.value === now
      const space = $('.picture', b)
      if (space) space.replaceChildren(...[picture[c.kind]?.(input.value, c)].filter(Boolean))
    }
    if (document.activeElement !== own) own.value = pictured ? '' : now
    own.classList.toggle('used', !pictured && now !== '')
    if (!pictured && now !== '') {
      box.hidden = false
      more.setAttribute('aria-expanded', 'true')
    }
    const list = $('datalist', set)
    if (list && !list.childElementCount) list.append(...others(full, c.values).map((v) => h('option', { value: v })))
  }
  return { set, refresh }
}

// bodyPanel fills the panel of the body.
export function bodyPanel(root) {
  const fields = bodyChoices.map((c) => field('body', c.path, c))
  root.append(...fields.map((f) => f.set))
  const refresh = () => fields.forEach((f) => f.refresh())
  onChange((names) => { if (names.includes('body') || names.includes('outfit')) refresh() })
  refresh()
  return refresh
}

// outfitPanel fills the panel of the outfit: the slots, and the one that is open.
export function outfitPanel(root) {
  let open = 'top'
  let editor = []
  const list = h('div', { class: 'slots', role: 'group', 'aria-label': 'What is worn' })
  const box = h('div', { class: 'slot-editor' })
  const style = field('outfit', 'style', { legend: 'Overall style', kind: 'words', values: styles })
  root.append(list, box, style.set)

  const isOn = (slot) => {
    const v = form.outfit[slot]
    return !!v && (typeof v === 'string' || Object.keys(v).length > 0)
  }
  const tiles = slots.map((c) => {
    const b = h('button', { type: 'button', class: 'slot', 'data-slot': c.slot, onclick: () => show(c.slot, true) }, h('span', { class: 'picture' }), h('span', { class: 'name' }, c.legend))
    return { c, b }
  })
  list.append(...tiles.map((t) => t.b))

  function refreshTiles() {
    for (const { c, b } of tiles) {
      const on = isOn(c.slot)
      const now = form.outfit[c.slot]
      b.classList.toggle('on', on)
      b.setAttribute('aria-pressed', c.slot === open)
      const said = typeof now === 'string' ? now : [now?.color, now?.type].flat().filter(Boolean).join(' ')
      b.setAttribute('aria-label', `${c.legend}: ${on ? said || 'worn' : 'not said'}`)
      $('.picture', b).replaceChildren(doll(null, on ? { [c.slot]: now } : { [c.slot]: { ...c.start, color: 'gray' } }, { crop: c.crop, faint: true }))
    }
  }
  function show(slot, focus) {
    open = slot
    const c = slots.find((x) => x.slot === slot)
    const words = h('input', { type: 'text', class: 'other', id: unique('words'), maxlength: 500, placeholder: 'such as: a torn vintage band shirt', autocomplete: 'off' })
    words.addEventListener('change', () => choose('outfit', slot, words.value.trim()))
    editor = c.attributes.map((a) => field('outfit', `${slot}.${a.name}`, { ...a, slot, crop: a.crop ?? c.crop, start: c.start }))
    const title = h('h2', { tabindex: -1 }, c.legend)
    const off = h('button', { type: 'button', class: 'quiet small', onclick: () => { choose('outfit', slot, ''); title.focus() } }, icon('x'), 'Take off')
    box.replaceChildren(h('div', { class: 'slot-head', 'data-param': `outfit.${slot}` }, title, off, h('p', { class: 'error', hidden: true })), ...editor.map((f) => f.set),
      h('div', { class: 'field' }, h('label', { for: words.id }, 'Or describe it'), words))
    const follow = () => {
      off.hidden = !isOn(slot)
      if (document.activeElement !== words) words.value = typeof form.outfit[slot] === 'string' ? form.outfit[slot] : ''
    }
    editor.push({ refresh: follow })
    refresh()
    if (focus) title.focus({ preventScroll: true })
  }
  function refresh() {
    refreshTiles()
    style.refresh()
    editor.forEach((f) => f.refresh())
  }
  onChange((names) => { if (names.includes('outfit') || names.includes('body')) refresh() })
  show(open)
  return { refresh, show }
}

// figure keeps the large figure as it is chosen.
export function figure(root) {
  const draw = () => {
    const said = $('#caption')?.textContent
    root.replaceChildren(doll(form.body, form.outfit, { label: said ? `A sketch of: ${said}` : 'A sketch of what is chosen' }))
  }
  onChange((names) => { if (names.includes('body') || names.includes('outfit')) draw() })
  draw()
}

const pick = (list) => list[crypto.getRandomValues(new Uint32Array(1))[0] % list.length]

// shuffled is a person in an outfit at random.
export function shuffled() {
  const body = {}
  for (const c of bodyChoices) {
    if (c.path === 'shot') { body.shot = pick(['full_body', 'full_body', 'upper_body']); continue }
    const [name, inner] = c.path.split('.')
    if (inner) body[name] = { ...body[name], [inner]: pick(c.values) }
    else body[name] = c.path === 'age' ? pick(['adult', 'adult', 'teenager', 'elderly']) : pick(c.values)
  }
  const wear = pick([['top', 'bottom', 'shoes'], ['top', 'bottom', 'coat', 'shoes'], ['one_piece', 'shoes', 'bag'], ['top', 'bottom', 'shoes', 'hat']])
  const outfit = Object.fromEntries(wear.map((slot) => {
    const c = slots.find((x) => x.slot === slot)
    const of = (name) => c.attributes.find((a) => a.name === name)?.values
    const garment = { type: pick(of('type')), color: pick(of('color')) }
    if (of('sleeve_length') && slot !== 'top') garment.sleeve_length = pick(of('sleeve_length'))
    if (of('pattern') && pick([0, 0, 1])) garment.pattern = pick(of('pattern'))
    return [slot, garment]
  }))
  return { body, outfit }
}

// fieldsets are all choices on the page, by the parameter that they stand for.
export const fieldsets = () => $$('[data-param]')
