// Size, steps, guidance, seed and the rest: each control changes one field of the form.

import { $, h, s } from './dom.js'
import { change, dice, form, onChange } from './form.js'

const samplers = { ddim: 'DDIM', pndm: 'PNDM', lms: 'LMS', euler: 'Euler', euler_a: 'Euler a', dpm: 'DPM++ 2M', dpm_karras: 'DPM++ 2M Karras', unipc: 'UniPC', heun: 'Heun' }

const shapes = [['2:3', 2 / 3, 'portrait'], ['3:4', 3 / 4, 'portrait'], ['1:1', 1, 'square'], ['4:3', 4 / 3, 'landscape'], ['3:2', 3 / 2, 'landscape']]

// sizeOf is a shape at about as many pixels as the model's own size has.
function sizeOf([width, height], ratio) {
  const step = Math.min(width, height) >= 512 ? 64 : 8
  const round = (v) => Math.max(step, Math.round(v / step) * step)
  return `${round(Math.sqrt(width * height * ratio))}x${round(Math.sqrt((width * height) / ratio))}`
}

// native is a model's own size, [width, height].
export function native(model) {
  const m = /^(\d+)x(\d+)$/.exec(model?.native_size ?? '')
  return m ? [Number(m[1]), Number(m[2])] : [512, 512]
}

// number ties a number box, and a slider if there is one, to a field.
function number(name, { slider, whole } = {}) {
  const box = $(`#${name}`)
  const bar = slider && $(`#${name}-slider`)
  const take = (from) => {
    const v = Number(from.value)
    if (from.value === '' || Number.isNaN(v) || (whole && !Number.isSafeInteger(v))) return
    change({ [name]: v })
  }
  box.addEventListener('input', () => take(box))
  box.addEventListener('blur', () => show())
  bar?.addEventListener('input', () => take(bar))
  const show = () => {
    if (document.activeElement !== box || box.value === '') box.value = form[name]
    if (bar) {
      bar.value = form[name]
      bar.style.setProperty('--at', `${Math.min(100, (100 * (form[name] - bar.min)) / (bar.max - bar.min))}%`)
    }
  }
  onChange((names) => { if (names.includes(name)) show() })
  show()
}

function plain(name, event = 'change') {
  const control = $(`#${name}`)
  control.addEventListener(event, () => change({ [name]: control.value }))
  const show = () => { if (control.value !== form[name]) control.value = form[name] }
  onChange((names) => { if (names.includes(name)) show() })
  show()
}

// offerSamplers offers what a model can be drawn with.
export function offerSamplers(names = Object.keys(samplers)) {
  $('#sampler').replaceChildren(...names.map((v) => h('option', { value: v }, samplers[v] ?? v)))
  if (!names.includes(form.sampler)) change({ sampler: names[0] })
  $('#sampler').value = form.sampler
}

export function settings() {
  offerSamplers()
  number('steps', { slider: true, whole: true })
  number('guidance_scale', { slider: true })
  number('n', { whole: true })
  for (const name of ['sampler', 'output_format', 'long_prompt', 'prompt_syntax']) plain(name)
  for (const name of ['negative_prompt', 'prompt']) plain(name, 'input')

  const seed = $('#seed')
  const wrong = $('[data-param=seed] .error')
  // Seeds go up to 2^64-1, beyond what a JavaScript number tells apart: those are refused here.
  seed.addEventListener('input', () => {
    const fits = /^\d+$/.test(seed.value) && Number.isSafeInteger(Number(seed.value))
    wrong.textContent = fits ? '' : `seed must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER} on this page`
    wrong.hidden = fits
    seed.setAttribute('aria-invalid', !fits)
    if (fits) change({ seed: Number(seed.value), keepSeed: true })
  })
  seed.addEventListener('blur', () => {
    wrong.hidden = true
    seed.removeAttribute('aria-invalid')
    showSeed()
  })
  const keep = $('#keepSeed')
  keep.addEventListener('change', () => change({ keepSeed: keep.checked }))
  $('#dice').addEventListener('click', () => change({ seed: dice() }))
  const showSeed = () => {
    if (document.activeElement !== seed) seed.value = form.seed
    keep.checked = form.keepSeed
  }
  onChange((names) => { if (names.includes('seed') || names.includes('keepSeed')) showSeed() })
  showSeed()
}

// sizes offers shapes that suit the model.
export function sizes() {
  const box = $('#sizes')
  const width = $('#width')
  const height = $('#height')
  let own = [512, 512]
  const show = () => {
    const offered = shapes.map(([name, ratio, said]) => [name, sizeOf(own, ratio), ratio, said])
    const now = form.size === 'auto' ? own.join('x') : form.size
    box.replaceChildren(...offered.map(([name, size, ratio, said]) => {
      const input = h('input', { type: 'radio', name: 'shape', value: size, checked: size === now, 'aria-label': `${said} ${name}, ${size.replace('x', ' by ')}` })
      input.addEventListener('change', () => change({ size: size === own.join('x') ? 'auto' : size }))
      const [w, t] = ratio < 1 ? [18 * ratio, 18] : [18, 18 / ratio]
      return h('label', { class: 'choice ratio', title: size.replace('x', ' × ') }, input, h('span', { class: 'face' },
        h('span', { class: 'picture' }, s('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true' }, s('rect', { x: 12 - w / 2, y: 12 - t / 2, width: w, height: t, rx: 2 }))), h('span', { class: 'name' }, name)))
    }))
    const [w, t] = now.split('x')
    if (document.activeElement !== width) width.value = w
    if (document.activeElement !== height) height.value = t
  }
  const typed = () => { if (width.value && height.value) change({ size: `${Number(width.value)}x${Number(height.value)}` }) }
  width.addEventListener('change', typed)
  height.addEventListener('change', typed)
  onChange((names) => {
    if (!names.includes('size')) return
    const focused = document.activeElement?.value
    const inside = box.contains(document.activeElement)
    show()
    if (inside) [...box.querySelectorAll('input')].find((i) => i.value === focused)?.focus()
  })
  show()
  return (model) => { own = native(model); show() }
}
