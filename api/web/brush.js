// The brush: where an image may be drawn anew. The mask is transparent there, which is
// what the API's edits take it for.

import { h, icon, say } from './dom.js'

// Brush is the editor of one image.
export class Brush {
  constructor(image, { width, height, changed }) {
    this.width = width
    this.height = height
    this.changed = changed
    this.strokes = [] // {erase, size, points: [[x, y], ...]}, in the image's pixels
    this.size = Math.round(Math.max(width, height) / 10)
    this.erase = false
    this.at = [width / 2, height / 2]
    this.canvas = h('canvas', {
      class: 'mask', width, height, tabindex: 0, role: 'application',
      'aria-label': 'Where to draw anew. Arrow keys move the brush, space paints, E erases, plus and minus change its size, Z takes the last stroke back.',
    })
    this.ring = h('span', { class: 'ring', hidden: true })
    this.stage = h('div', { class: 'easel' }, image, this.canvas, this.ring)
    this.listen()
  }

  get painted() { return this.strokes.some((s) => !s.erase) }

  // scale is screen pixels for each of the image's.
  get scale() { return this.canvas.getBoundingClientRect().width / this.width || 1 }

  where(e) {
    const r = this.canvas.getBoundingClientRect()
    return [((e.clientX - r.left) * this.width) / r.width, ((e.clientY - r.top) * this.height) / r.height]
  }

  listen() {
    const c = this.canvas
    c.addEventListener('pointerdown', (e) => {
      if (e.button !== 0) return
      e.preventDefault()
      c.focus({ preventScroll: true })
      c.setPointerCapture(e.pointerId)
      this.begin(this.where(e))
    })
    c.addEventListener('pointermove', (e) => {
      this.at = this.where(e)
      this.showRing()
      if (!c.hasPointerCapture(e.pointerId) || !this.stroke) return
      for (const each of e.getCoalescedEvents?.() ?? [e]) this.stroke.points.push(this.where(each))
      this.draw()
    })
    const end = () => {
      if (!this.stroke) return
      this.stroke = undefined
      this.draw()
      this.changed()
    }
    c.addEventListener('pointerup', end)
    c.addEventListener('pointercancel', end)
    c.addEventListener('pointerleave', () => { if (document.activeElement !== c) this.ring.hidden = true })
    c.addEventListener('focus', () => this.showRing())
    c.addEventListener('blur', () => { this.ring.hidden = true })
    c.addEventListener('keydown', (e) => this.pressed(e))
  }

  begin(point) {
    this.at = point
    this.stroke = { erase: this.erase, size: this.size, points: [point] }
    this.strokes.push(this.stroke)
    this.draw()
  }

  pressed(e) {
    if (e.ctrlKey || e.metaKey || e.altKey) return
    const step = Math.max(2, this.size / (e.shiftKey ? 1 : 4))
    const move = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[e.key]
    if (move) {
      this.at = [Math.max(0, Math.min(this.width, this.at[0] + move[0])), Math.max(0, Math.min(this.height, this.at[1] + move[1]))]
      this.showRing()
    } else if (e.key === ' ' || e.key === 'Enter') {
      this.begin(this.at)
      this.stroke = undefined
      this.changed()
      say(this.erase ? 'Erased' : 'Painted')
    } else if (e.key === 'e' || e.key === 'E') this.setErase(!this.erase)
    else if (e.key === '+' || e.key === '=') this.setSize(this.size * 1.25)
    else if (e.key === '-') this.setSize(this.size / 1.25)
    else if (e.key === 'z' || e.key === 'Z') this.undo()
    else return
    e.preventDefault()
  }

  setSize(size) {
    this.size = Math.max(2, Math.min(Math.max(this.width, this.height), Math.round(size)))
    this.showRing()
    this.changed()
  }

  setErase(on) {
    this.erase = on
    say(on ? 'The brush erases' : 'The brush paints')
    this.changed()
  }

  undo() {
    this.strokes.pop()
    this.draw()
    this.changed()
  }

  clear() {
    this.strokes = []
    this.draw()
    this.changed()
  }

  showRing() {
    const r = this.ring
    const k = this.scale
    r.hidden = false
    r.classList.toggle('erase', this.erase)
    r.style.width = r.style.height = `${this.size * k}px`
    const c = this.canvas
    r.style.translate = `${c.offsetLeft + this.at[0] * k - (this.size * k) / 2}px ${c.offsetTop + this.at[1] * k - (this.size * k) / 2}px`
  }

  // trace draws all strokes, painting with color.
  trace(context, color) {
    context.lineCap = context.lineJoin = 'round'
    for (const s of this.strokes) {
      context.globalCompositeOperation = s.erase ? 'destination-out' : 'source-over'
      context.strokeStyle = context.fillStyle = color
      context.lineWidth = s.size
      context.beginPath()
      if (s.points.length === 1) {
        context.arc(...s.points[0], s.size / 2, 0, 2 * Math.PI)
        context.fill()
        continue
      }
      context.moveTo(...s.points[0])
      for (const p of s.points.slice(1)) context.lineTo(...p)
      context.stroke()
    }
    context.globalCompositeOperation = 'source-over'
  }

  draw() {
    const context = this.canvas.getContext('2d')
    context.clearRect(0, 0, this.width, this.height)
    this.trace(context, '#7c5cff')
  }

  // mask is a PNG of the image's size: transparent where it was painted, else opaque.
  async mask() {
    const canvas = h('canvas', { width: this.width, height: this.height })
    const context = canvas.getContext('2d', { willReadFrequently: true })
    this.trace(context, '#000')
    const pixels = context.getImageData(0, 0, this.width, this.height)
    for (let i = 0; i < pixels.data.length; i += 4) {
      const painted = pixels.data[i + 3] >= 128
      pixels.data[i] = pixels.data[i + 1] = pixels.data[i + 2] = 0
      pixels.data[i + 3] = painted ? 0 : 255
    }
    context.putImageData(pixels, 0, 0)
    return png(canvas)
  }
}

const png = (canvas) => new Promise((resolve, reject) => canvas.toBlob((b) => (b ? resolve(b) : reject(new Error('the browser made no PNG'))), 'image/png'))

// asPNG is a picture as a PNG, as it is if it is one.
export async function asPNG(blob) {
  if (blob.type === 'image/png') return blob
  const bitmap = await createImageBitmap(blob)
  const canvas = h('canvas', { width: bitmap.width, height: bitmap.height })
  canvas.getContext('2d').drawImage(bitmap, 0, 0)
  bitmap.close()
  return png(canvas)
}

// tools are the brush's buttons.
export function tools(brush) {
  const size = h('input', { type: 'range', id: 'brush-size', min: 2, max: Math.max(brush.width, brush.height), value: brush.size, 'aria-label': 'Brush size' })
  size.addEventListener('input', () => brush.setSize(Number(size.value)))
  const erase = h('button', { type: 'button', class: 'quiet small', 'aria-pressed': 'false', onclick: () => brush.setErase(!brush.erase) }, icon('eraser'), 'Erase')
  const undo = h('button', { type: 'button', class: 'quiet small', onclick: () => brush.undo() }, icon('undo'), 'Undo')
  const clear = h('button', { type: 'button', class: 'quiet small', onclick: () => brush.clear() }, icon('trash'), 'Clear')
  const refresh = () => {
    size.value = brush.size
    size.style.setProperty('--at', `${(100 * brush.size) / size.max}%`)
    erase.setAttribute('aria-pressed', brush.erase)
    undo.disabled = clear.disabled = brush.strokes.length === 0
  }
  refresh()
  return { box: h('div', { class: 'brush-tools', role: 'toolbar', 'aria-label': 'Brush' }, h('label', { class: 'brush-size' }, h('span', null, 'Brush'), size), erase, undo, clear), refresh }
}
