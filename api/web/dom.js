// Elements, made without markup: the page's policy knows no strings that become HTML.

function build(element, props, children) {
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value)
    else if (key === 'value' || key === 'checked' || key === 'selected') element[key] = value
    else element.setAttribute(key, value === true ? '' : value)
  }
  element.append(...children.flat(Infinity).filter((c) => c !== undefined && c !== null && c !== false))
  return element
}

// h makes an HTML element: attributes, listeners as on..., children.
export const h = (name, props, ...children) => build(document.createElement(name), props, children)

// s makes an SVG element.
export const s = (name, props, ...children) => build(document.createElementNS('http://www.w3.org/2000/svg', name), props, children)

export const $ = (selector, within = document) => within.querySelector(selector)
export const $$ = (selector, within = document) => [...within.querySelectorAll(selector)]

let ids = 0
// unique makes an id that nothing else has.
export const unique = (what) => `${what}-${++ids}`

// debounce calls f once calls have paused for some milliseconds.
export function debounce(f, pause) {
  let timer
  return (...args) => {
    clearTimeout(timer)
    timer = setTimeout(f, pause, ...args)
  }
}

// icon is one of icons.svg's symbols; it says nothing to who cannot see it.
export function icon(name) {
  const file = new URL('icons.svg', import.meta.url).pathname
  return s('svg', { class: 'icon', 'aria-hidden': 'true' }, s('use', { href: `${file}#${name}` }))
}

let quiet
// say tells something to screen readers, politely.
export function say(text) {
  quiet ??= $('#say')
  quiet.textContent = text
}

let toastTimer
// toast shows a short message for a while, and says it.
export function toast(text) {
  const box = $('#toast')
  box.textContent = text
  box.classList.add('shown')
  clearTimeout(toastTimer)
  toastTimer = setTimeout(() => box.classList.remove('shown'), 3500)
}

// download saves a blob as a file.
export function download(blob, name) {
  const url = URL.createObjectURL(blob)
  h('a', { href: url, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}

// tabs makes a tablist work as ARIA's pattern says: arrows move, Home and End too.
// shown is told the id of the panel.
export function tabs(list, shown) {
  const all = $$('[role=tab]', list)
  const panel = (tab) => document.getElementById(tab.getAttribute('aria-controls'))
  const select = (tab, focus) => {
    for (const t of all) {
      const on = t === tab
      t.setAttribute('aria-selected', on)
      t.tabIndex = on ? 0 : -1
      panel(t).hidden = !on
    }
    if (focus) tab.focus()
    shown?.(tab.getAttribute('aria-controls'))
  }
  list.addEventListener('keydown', (e) => {
    const at = all.indexOf(document.activeElement)
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[e.key]
    if (to === undefined || at < 0) return
    e.preventDefault()
    select(all[(to + all.length) % all.length], true)
  })
  for (const t of all) t.addEventListener('click', () => select(t))
  return (id) => select(all.find((t) => t.getAttribute('aria-controls') === id))
}
