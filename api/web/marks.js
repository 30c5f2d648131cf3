// What the server understood of a text, shown on the text: a colour for each group, the
// attributes where a mark is pointed at, and a list of them for keys and screen readers.

import { $, $$, debounce, h } from './dom.js'
import { postJSON } from './client.js'
import { described, form, onChange } from './form.js'

// indexes turns offsets in UTF-8 bytes into those of a JavaScript string.
export function indexes(text, offsets) {
  const wanted = [...new Set(offsets)].sort((a, b) => a - b)
  const found = new Map()
  let bytes = 0
  let i = 0
  for (const offset of wanted) {
    while (bytes < offset && i < text.length) {
      const c = text.codePointAt(i)
      bytes += c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4
      i += c < 0x10000 ? 1 : 2
    }
    found.set(offset, i)
  }
  return (offset) => found.get(offset)
}

// parts are the text in pieces, those of groups with them.
function parts(text, groups) {
  const at = indexes(text, groups.flatMap((g) => g.span))
  const out = []
  let end = 0
  for (const g of [...groups].sort((a, b) => a.span[0] - b.span[0])) {
    const [from, to] = g.span.map(at)
    if (from < end || to <= from) continue
    if (from > end) out.push({ text: text.slice(end, from) })
    out.push({ text: text.slice(from, to), group: g, from, to })
    end = to
  }
  if (end < text.length) out.push({ text: text.slice(end) })
  return out
}

const attributes = (g) => Object.entries(g.attributes ?? {}).map(([k, v]) => `${k.replaceAll('_', ' ')}: ${v}`).join(', ')

function paint(box, text, groups) {
  box.replaceChildren(...parts(text, groups).map((p) => (p.group ? h('mark', { class: `g${p.group.index}`, 'data-from': p.from, 'data-to': p.to, 'data-name': p.group.name, 'data-said': attributes(p.group) }, p.text) : p.text)), '\u200b')
}

// point shows what a mark is where the pointer is on it.
function point(area, under) {
  const tip = $('#tip')
  const hide = () => { tip.hidden = true }
  area.addEventListener('pointermove', (e) => {
    const mark = document.elementsFromPoint(e.clientX, e.clientY).find((x) => x.matches?.('mark') && under.contains(x))
    if (!mark) return hide()
    tip.replaceChildren(h('strong', { class: mark.className }, mark.dataset.name), mark.dataset.said && h('span', null, mark.dataset.said))
    tip.hidden = false
    const r = mark.getBoundingClientRect()
    const x = Math.max(8, Math.min(e.clientX - 20, innerWidth - tip.offsetWidth - 8))
    const below = r.bottom + 8 + tip.offsetHeight < innerHeight
    tip.style.translate = `${x}px ${Math.max(4, below ? e.clientY + 18 : e.clientY - tip.offsetHeight - 14)}px`
  })
  area.addEventListener('pointerleave', hide)
}

let asked
async function explain(fields, signal) {
  if (!fields.body && !fields.outfit && !fields.prompt) return undefined
  const query = { ...fields }
  if (form.long_prompt !== 'chunk') query.long_prompt = form.long_prompt
  if (form.prompt_syntax !== 'plain') query.prompt_syntax = form.prompt_syntax
  if (form.model) query.model = form.model
  return postJSON('/v1/prompts', query, { signal, quiet: true })
}

// marks keeps the caption, the text's marks and their list as the form changes. failed
// is told what the server refuses.
export function marks(failed) {
  const text = $('#prompt')
  const backdrop = $('#backdrop')
  const caption = $('#caption')
  const legend = $('#legend')
  const said = $('#understood')
  point(text, backdrop)
  point(caption, caption)
  text.addEventListener('scroll', () => { backdrop.scrollTop = text.scrollTop })
  // Until the server has answered, what is written stands there without marks.
  const plain = () => { if (backdrop.textContent !== text.value + '\u200b') paint(backdrop, text.value, []) }
  text.addEventListener('input', plain)

  const list = (explanation, inText) => {
    legend.replaceChildren(...explanation.groups.map((g) => {
      const said = attributes(g)
      const b = h('button', { type: 'button', class: `chip g${g.index}` }, h('strong', null, g.name), said && h('span', null, said))
      const hot = (on) => () => { for (const m of $$('mark')) m.classList.toggle('hot', on && m.dataset.name === g.name && m.dataset.said === said) }
      for (const [event, on] of [['pointerenter', true], ['focus', true], ['pointerleave', false], ['blur', false]]) b.addEventListener(event, hot(on))
      if (inText) {
        b.addEventListener('click', () => {
          const [from, to] = g.span.map(indexes(explanation.caption, g.span))
          text.focus()
          text.setSelectionRange(from, to)
        })
      }
      return h('li', null, b)
    }))
  }
  const tell = (e) => {
    const t = e.tokens
    $('#tokens').textContent = `${t.count} token${t.count === 1 ? '' : 's'}${t.chunks > 1 ? ` in ${t.chunks} windows` : ''}`
    $('#cut').textContent = t.cut ? `Not drawn: “${t.cut}”` : ''
    const free = e.unassigned.map((u) => u.text.trim()).filter((u) => /[\p{L}\p{N}]/u.test(u))
    said.textContent = free.length ? `Taken as it is: ${free.map((f) => `“${f}”`).join(', ')}` : ''
    $('#notes').replaceChildren(...(e.warnings ?? []).map((n) => h('li', null, n.message)))
  }

  const ask = async () => {
    asked?.abort()
    asked = new AbortController()
    const { signal } = asked
    const all = described()
    const inText = !all.body && !all.outfit
    try {
      const whole = await explain(all, signal)
      const own = inText || !all.prompt ? whole : await explain({ prompt: form.prompt }, signal)
      if (signal.aborted) return
      failed(null)
      // Nothing is told twice: the text itself has the marks.
      caption.hidden = inText && !!whole && form.tab === 'panel-text'
      caption.classList.toggle('unsaid', !whole)
      if (!whole) {
        caption.textContent = 'Nothing is said yet.'
        legend.replaceChildren()
        for (const id of ['tokens', 'cut', 'understood']) $(`#${id}`).textContent = ''
        paint(backdrop, text.value, [])
        return
      }
      paint(caption, whole.caption, whole.groups)
      // The server trims; the marks belong to what was asked about.
      const shift = all.prompt === undefined ? '' : text.value.slice(0, text.value.length - text.value.trimStart().length)
      const moved = own && all.prompt !== undefined && own.caption === (inText ? all.prompt : form.prompt)
      if (moved && inText) paint(backdrop, text.value, own.groups.map((g) => ({ ...g, span: g.span.map((o) => o + new TextEncoder().encode(shift).length) })))
      else if (moved) paint(backdrop, text.value, own.groups)
      else paint(backdrop, text.value, [])
      list(whole, inText && text.value === whole.caption)
      tell(whole)
    } catch (e) {
      if (!signal.aborted) failed(e)
    }
  }
  const soon = debounce(ask, 180)
  onChange((names) => { if (['prompt', 'body', 'outfit', 'model', 'long_prompt', 'prompt_syntax', 'tab'].some((n) => names.includes(n))) soon() })
  plain()
  soon()
  return soon
}
