// What is looked at: an image with what can be done with it, one that is being drawn, or
// the brush on one.

import { $, h, icon, say, download } from './dom.js'
import { Brush, asPNG, tools } from './brush.js'
import * as gallery from './gallery.js'

let act // {again, variation, paint, code}
let brush // {editor, item, strength}
let shownID

export function view(actions) {
  act = actions
  $('#view').addEventListener('keydown', (e) => {
    if (brush || e.target.matches('input, textarea, select')) return
    if (e.key === 'ArrowRight' || e.key === 'ArrowLeft') gallery.step(e.key === 'ArrowRight' ? 1 : -1)
  })
}

const button = (name, text, f, kind = 'quiet') => h('button', { type: 'button', class: kind, onclick: f }, icon(name), h('span', null, text))

// show shows an item; undefined: nothing is there yet.
export function show(item) {
  if (brush && item?.id !== brush.item.id) leave()
  if (brush) return
  if (item?.job && shownID === item.id) return progress(item)
  shownID = item?.id
  const box = $('#view')
  box.className = item ? (item.job ? 'drawing' : 'image') : 'nothing'
  if (!item) {
    box.replaceChildren(h('div', { class: 'empty' }, icon('spark'), h('h2', null, 'Nothing drawn yet'), h('p', null, 'Choose a figure, or write who you see, and press Draw. Images are kept in this browser only.')))
    return
  }
  if (item.job) {
    box.replaceChildren(
      h('div', { class: 'frame pending' }, h('img', { class: 'sketch', alt: '', hidden: true }), h('div', { class: 'pulse', 'aria-hidden': 'true' })),
      h('div', { class: 'progress-row' },
        h('div', { class: 'progress-text' }, h('strong', { id: 'stage' }), h('span', { id: 'percent' })),
        h('progress', { id: 'progress', max: 100, 'aria-labelledby': 'stage' }),
        button('x', 'Cancel', () => gallery.stop(gallery.current()), 'quiet cancel')))
    progress(item)
    return
  }
  box.replaceChildren(h('div', { class: 'frame' }, picture(item)), actionsOf(item), facts(item))
}

const picture = (item) => h('img', { class: 'result', src: item.url, alt: gallery.label(item), width: item.width, height: item.height })

function progress(item) {
  const { job } = item
  const frame = $('.frame')
  const [w, t] = (/^(\d+)x(\d+)$/.exec(item.fields.size ?? '') ?? []).slice(1)
  if (w) frame.style.aspectRatio = `${w} / ${t}`
  const img = $('.sketch')
  if (item.url && img.src !== item.url) {
    img.src = item.url
    img.hidden = false
  }
  const stage = job.status === 'queued' ? (job.position > 0 ? `Waiting, ${job.position} before this one` : 'Waiting to begin') : 'Drawing'
  if ($('#stage').textContent !== stage) {
    $('#stage').textContent = stage
    say(stage)
  }
  $('#percent').textContent = job.status === 'queued' ? '' : `${job.progress} %`
  const bar = $('#progress')
  if (job.status === 'queued') bar.removeAttribute('value')
  else bar.value = job.progress
}

function actionsOf(item) {
  const own = item.route === 'own'
  return h('div', { class: 'actions', role: 'toolbar', 'aria-label': 'This image' },
    !own && button('repeat', 'Again with this seed', () => act.again(item)),
    button('variation', 'Variation', () => act.variation(item)),
    button('brush', 'Paint over', () => paint(item)),
    !own && button('sliders', 'Use these settings', () => act.adopt(item)),
    !own && button('code', 'Code', () => act.code(item)),
    button('download', 'Download', () => download(item.blob, fileName(item))),
    button('trash', 'Delete', () => gallery.remove(item)))
}

function fileName(item) {
  const ext = { 'image/jpeg': 'jpg', 'image/webp': 'webp' }[item.blob.type] ?? 'png'
  return item.route === 'own' ? `picture.${ext}` : `cosmicman-${item.seed}.${ext}`
}

function facts(item) {
  const f = item.fields
  const rows = [
    ['Prompt', item.revised ?? f.prompt], ['Kept away', f.negative_prompt], ['Seed', item.seed], ['Size', `${item.width} × ${item.height}`], ['Steps', f.num_inference_steps],
    ['Guidance', f.guidance_scale], ['Sampler', f.sampler], ['Strength', f.strength], ['Model', item.model],
    ['LoRAs', f.lora?.map((l) => (l.weight === 1 ? l.name : `${l.name} ${l.weight}`)).join(', ')],
  ].filter(([, v]) => v !== undefined && v !== '')
  const what = { edits: 'Painted over', variations: 'A variation', own: 'Your picture' }[item.route]
  return h('details', { class: 'facts', open: matchMedia('(min-width: 900px)').matches },
    h('summary', null, what ?? 'Drawn from'),
    h('dl', null, rows.map(([k, v]) => [h('dt', null, k), h('dd', null, String(v))])),
    item.warnings?.length ? h('ul', { class: 'warnings' }, item.warnings.map((w) => h('li', null, w.message))) : null)
}

// paint puts the brush on an image.
function paint(item) {
  const strength = h('input', { type: 'range', id: 'strength', min: 0.05, max: 1, step: 0.05, value: 1 })
  const told = h('output', { for: 'strength' })
  const what = h('p', { class: 'hint' })
  const ready = h('button', { type: 'button', class: 'primary', 'data-act': 'paint' }, icon('brush'), h('span'))
  const editor = new Brush(picture(item), { width: item.width, height: item.height, changed: () => refresh() })
  const bar = tools(editor)
  let moved = false
  const refresh = () => {
    bar.refresh()
    if (!moved) strength.value = editor.painted ? 1 : 0.8
    told.textContent = Number(strength.value).toFixed(2)
    strength.style.setProperty('--at', `${((strength.value - strength.min) / (strength.max - strength.min)) * 100}%`)
    $('span', ready).textContent = editor.painted ? 'Draw the painted area' : 'Redraw the whole image'
    what.textContent = editor.painted ? 'What is painted is drawn anew from the prompt; the rest stays.' : 'Paint where the image may change, or redraw all of it from the prompt.'
  }
  strength.addEventListener('input', () => { moved = true; refresh() })
  ready.addEventListener('click', async () => {
    const pictures = { image: await asPNG(item.blob) }
    if (editor.painted) pictures.mask = await editor.mask()
    const chosen = Number(strength.value)
    if (await act.edit(item, pictures, chosen, ready)) leave()
  })
  brush = { editor, item }
  const box = $('#view')
  box.className = 'painting'
  box.replaceChildren(
    h('div', { class: 'frame' }, editor.stage), bar.box,
    h('div', { class: 'field strength', 'data-param': 'strength' }, h('label', { for: 'strength' }, 'Strength'), strength, told, h('p', { class: 'error', hidden: true })),
    what, h('div', { class: 'actions' }, ready, button('x', 'Leave the brush', () => { leave(); show(item) })),
    h('p', { class: 'error', 'data-param': 'image', hidden: true }))
  refresh()
  editor.canvas.focus({ preventScroll: true })
  say('The brush is on the image. Arrow keys move it, space paints.')
}

function leave() {
  brush = undefined
  shownID = undefined
}
