// The gallery: jobs under way and finished images, and what is looked at. Finished
// images are kept by the browser with what they were drawn from.

import { $, $$, h, say, toast } from './dom.js'
import { Failure, cancel, follow } from './client.js'
import { images, jobs } from './store.js'

// items are {id, job?, blob?, url?, ...}: newest first. One with a job is under way.
const items = []
let selected
let onSelect = () => {}
let onFailure = () => {}
const running = new Map() // job id -> AbortController

export const current = () => items.find((i) => i.id === selected)
export const under = () => items.filter((i) => i.job)

// open shows what is kept, and goes on with jobs that a reload left behind.
export async function open({ select, failure }) {
  onSelect = select
  onFailure = failure
  try {
    for (const kept of await images.all()) items.push({ ...kept, url: URL.createObjectURL(kept.blob) })
    const left = await jobs.all()
    for (const job of left) watch(job)
  } catch {
    toast('The browser keeps nothing here: images are gone when the page is closed')
  }
  if (!selected && items.length) choose(items[0].id)
  render()
}

export function choose(id, focus) {
  selected = id
  const at = current()
  for (const b of $$('#gallery button')) b.setAttribute('aria-current', b.dataset.id === id)
  onSelect(at)
  if (focus) $('#view').scrollIntoView({ block: 'nearest', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' })
}

// step looks at the next or the previous item.
export function step(by) {
  const at = items.findIndex((i) => i.id === selected)
  const to = items[at + by]
  if (to) choose(to.id)
}

// began takes in a job that the server has accepted.
export async function began(job, request) {
  const kept = { id: job.id, created: Date.now(), fields: request.fields, route: request.route, pictures: request.pictures }
  await jobs.put(kept).catch(() => {})
  watch(kept, job)
  choose(`${job.id}:0`, true)
}

function watch(kept, state = { status: 'queued', progress: 0, position: 0 }) {
  const n = kept.fields.n ?? 1
  const placeholders = Array.from({ length: n }, (_, i) => ({ id: `${kept.id}:${i}`, jobID: kept.id, index: i, created: kept.created, fields: kept.fields, route: kept.route, job: state }))
  items.unshift(...placeholders)
  render()
  const stop = new AbortController()
  running.set(kept.id, stop)
  const tell = ({ job, preview }) => {
    for (const p of placeholders) {
      p.job = job
      if (preview && preview.image_index === p.index) {
        const was = p.url
        p.url = `data:${preview.media_type};base64,${preview.b64_json}`
        if (!was && selected === p.id) say('A first sketch is there')
      }
      refresh(p)
    }
    if (placeholders.some((p) => p.id === selected)) onSelect(current())
  }
  follow(kept.id, tell, stop.signal).then((job) => finish(kept, placeholders, job), (e) => {
    if (stop.signal.aborted) return
    // What the server does not know any more will not come.
    if (e instanceof Failure && e.status === 404) return finish(kept, placeholders, { status: 'expired', error: { message: 'The server does not know this job any more' } })
    finish(kept, placeholders, { status: 'failed', error: { message: e instanceof Failure ? e.message : 'The server could not be reached' } }, !(e instanceof Failure))
  })
}

async function finish(kept, placeholders, job, keep) {
  running.delete(kept.id)
  const done = job.result?.data?.length ? await finished(kept, job) : []
  const at = items.indexOf(placeholders[0])
  const looking = placeholders.findIndex((p) => p.id === selected)
  for (const p of placeholders) {
    const i = items.indexOf(p)
    if (i >= 0) items.splice(i, 1)
  }
  items.splice(Math.max(0, at), 0, ...done)
  if (!keep) await jobs.delete(kept.id).catch(() => {})
  render()
  if (done.length) {
    if (looking >= 0) choose(done[Math.min(looking, done.length - 1)].id)
    say(done.length > 1 ? `${done.length} images are done` : 'The image is done')
  } else {
    if (looking >= 0) {
      selected = undefined
      onSelect(undefined)
    }
    if (job.status === 'cancelled') say('Cancelled')
    else onFailure(new Failure(0, job.error ?? { message: job.status === 'expired' ? 'The images were not kept long enough' : 'Nothing was drawn' }))
  }
}

async function finished(kept, job) {
  const [width, height] = job.result.size.split('x').map(Number)
  const out = []
  for (const [index, data] of job.result.data.entries()) {
    const bytes = Uint8Array.from(atob(data.b64_json), (c) => c.charCodeAt(0))
    const blob = new Blob([bytes], { type: `image/${job.result.output_format}` })
    const { n, ...fields } = kept.fields
    const image = {
      id: `${kept.id}-${index}`, created: kept.created + (job.result.data.length - index) / 1000, blob, width, height, seed: data.seed, model: job.result.model, revised: data.revised_prompt,
      warnings: job.result.warnings, route: kept.route, pictures: kept.pictures, fields: { ...fields, seed: data.seed },
    }
    await images.put(image).catch(() => toast('The browser has no room for another image: it is gone when the page is closed'))
    out.push({ ...image, url: URL.createObjectURL(blob) })
  }
  return out
}

// add takes in a picture of the visitor's own.
export async function add(file) {
  const bitmap = await createImageBitmap(file)
  const image = { id: `own-${Date.now()}`, created: Date.now(), blob: file, width: bitmap.width, height: bitmap.height, fields: {}, route: 'own' }
  bitmap.close()
  await images.put(image).catch(() => {})
  items.unshift({ ...image, url: URL.createObjectURL(file) })
  render()
  choose(image.id, true)
}

// stop cancels a job; what becomes of it is told by its events.
export async function stop(item) {
  try {
    await cancel(item.jobID)
  } catch (e) {
    onFailure(e)
  }
}

export async function remove(item) {
  const at = items.indexOf(item)
  items.splice(at, 1)
  await images.delete(item.id).catch(() => {})
  if (item.url.startsWith('blob:')) URL.revokeObjectURL(item.url)
  render()
  const next = items[at] ?? items[at - 1]
  if (next) choose(next.id)
  else {
    selected = undefined
    onSelect(undefined)
  }
}

export const label = (item) => {
  if (item.job) return item.job.status === 'queued' ? 'Waiting' : `Being drawn, ${item.job.progress} percent`
  if (item.route === 'own') return 'Your picture'
  return `${item.revised ?? item.fields.prompt ?? 'A variation'}, seed ${item.seed}`
}

function tile(item) {
  const b = h('button', { type: 'button', 'data-id': item.id, 'aria-current': String(item.id === selected), onclick: () => choose(item.id, true) })
  return b
}

function refresh(item) {
  const b = $(`#gallery button[data-id="${CSS.escape(item.id)}"]`)
  if (!b) return
  b.setAttribute('aria-label', label(item))
  b.classList.toggle('running', !!item.job)
  const picture = $('img', b) ?? (item.url && h('img', { alt: '', loading: 'lazy', decoding: 'async' }))
  if (picture) {
    if (item.url && picture.src !== item.url) picture.src = item.url
    if (!picture.isConnected) b.prepend(picture)
  }
  if (item.job) {
    const bar = $('.bar', b) ?? b.appendChild(h('span', { class: 'bar' }, h('i')))
    bar.firstChild.style.width = `${Math.max(3, item.job.progress)}%`
  }
}

function render() {
  const list = $('#gallery')
  const had = new Map($$('li', list).map((li) => [li.dataset.id, li]))
  const focused = document.activeElement?.dataset?.id
  list.replaceChildren(...items.map((item) => had.get(item.id) ?? h('li', { 'data-id': item.id }, tile(item))))
  items.forEach(refresh)
  if (focused) $(`#gallery button[data-id="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true })
  $('#gallery-empty').hidden = items.length > 0
  $('#gallery-count').textContent = items.length ? items.length : ''
}
