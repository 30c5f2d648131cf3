// Hair by style, colour and length, on the head of doll.js: it spans x 80 to 120,
// y 25 to 77.

import { hair as palette, paint } from './colors.js'

// ends is how far down hair of each length falls.
const ends = { 'above eyes': 46, 'above chin': 72, 'above shoulders': 90, 'above chest': 122, long: 150 }
const usual = { bob: 'above chin', 'crew cut': 'above eyes', 'afro-hair': 'above chin', bald: 'above eyes' }

const cap = 'M78.5,54 C75,28 87,18 100,18 C113,18 125,28 121.5,54 C121,44 117,37 110,34.5 C103,38 90,39 84,37 C80,42 79,48 78.5,54 Z'
const fringe = 'M78.5,55 C75,28 87,18 100,18 C113,18 125,28 121.5,55 C121,50 120,46 119,43 C107,46 93,46 81,43 C80,46 79,50 78.5,55 Z'
const sleek = 'M79.5,50 C77,28 87,19 100,19 C113,19 123,28 120.5,50 C119,40 112,33 100,33 C88,33 81,40 79.5,50 Z'
const tight = 'M80.5,44 C79,28 88,21 100,21 C112,21 121,28 119.5,44 C118,36 112,31.5 100,31.5 C88,31.5 82,36 80.5,44 Z'

// fall is hair that hangs to y behind the head, with side lines that are straight or
// waved.
function fall(y, wave) {
  const l = 100 - 25 - (y > 95 ? 3 : 0)
  const r = 200 - l
  if (y <= 50) return `M77,50 C74,26 87,17 100,17 C113,17 126,26 123,50 Z`
  if (!wave) return `M100,17 C80,17 73,32 75,52 L${l},${y - 4} Q${l + 4},${y} ${l + 10},${y} L${r - 10},${y} Q${r - 4},${y} ${r},${y - 4} L125,52 C127,32 120,17 100,17 Z`
  let left = ''
  let right = ''
  const steps = Math.max(1, Math.round((y - 52) / 12))
  const d = (y - 52) / steps
  for (let i = 0; i < steps; i++) {
    const a = 52 + i * d
    left += ` Q${i % 2 ? l + 5 : l - 6},${a + d / 2} ${l + (i % 2 ? 1 : -1)},${a + d}`
  }
  for (let i = steps - 1; i >= 0; i--) {
    const a = 52 + i * d
    right += ` Q${i % 2 ? r - 5 : r + 6},${a + d / 2} ${i ? r - (i % 2 ? -1 : 1) : 125},${a}`
  }
  return `M100,17 C80,17 73,32 75,52${left} Q100,${y + 6} ${r},${y}${right} C127,32 120,17 100,17 Z`
}

// curls are circles along the outline of hair that hangs to y.
function curls(y) {
  const circle = (x, cy, r) => `M${x - r},${cy} a${r},${r} 0 1,0 ${2 * r},0 a${r},${r} 0 1,0 ${-2 * r},0 Z `
  let d = circle(100, 22, 10) + circle(88, 25, 9) + circle(112, 25, 9) + circle(80, 34, 8.5) + circle(120, 34, 8.5)
  for (let at = 44; at < Math.max(y - 2, 46); at += 10) {
    const out = 24 + (at > 80 ? 3 : 0)
    d += circle(100 - out, at, 8) + circle(100 + out, at, 8)
    if (at > 74) d += circle(100 - out + 12, at, 8) + circle(100 + out - 12, at, 8)
  }
  return d
}

// hairOf answers shapes behind the body and in front of the head.
export function hairOf({ style = '', color = '', length = '' }) {
  const fill = paint(color, palette, '#8a7565')
  const y = ends[length] ?? ends[usual[style]] ?? 90
  const piece = (d, more) => ({ d, fill, ...more })
  const hanging = (d) => ({ back: [piece(d)], front: [] })
  switch (style) {
    case 'bald':
      return { back: [], front: [{ d: 'M90,31 Q95,27.5 101,28', line: '#fff8', width: 2 }] }
    case 'crew cut':
      return { back: [], front: [piece(tight)] }
    case 'bob':
      return { back: [piece(fall(Math.max(y, 60), false))], front: [piece(fringe)] }
    case 'bun':
      return { back: [piece('M88,14 a12,11 0 1,0 24,0 a12,11 0 1,0 -24,0 Z')], front: [piece(sleek)] }
    case 'ponytail':
      return { back: [piece(`M112,26 C136,26 140,48 135,70 C133,${Math.max(y, 84) - 8} 138,${Math.max(y, 84)} 129,${Math.max(y, 84) + 8} C124,${Math.max(y, 84) - 10} 128,60 118,44 Z`)], front: [piece(sleek)] }
    case 'afro-hair':
      return { back: [piece('M64,44 C60,12 82,2 100,2 C118,2 140,12 136,44 C137,62 128,74 120,74 L80,74 C72,74 63,62 64,44 Z')], front: [piece(tight)] }
    case 'curly': {
      const h = hanging(curls(y))
      h.front.push(piece('M79,50 C75,40 80,35 84,36 C83,29 92,28 95,32 C99,27 107,28 108,33 C115,30 121,37 119,42 C123,45 122,49 121,50 C119,45 114,41 108,41 C103,43 97,42 94,40 C88,41 82,44 79,50 Z'))
      return h
    }
    case 'wavy': {
      const h = hanging(fall(y, true))
      h.front.push(piece(cap))
      return h
    }
    default: {
      const h = hanging(fall(y, false))
      h.front.push(piece(cap))
      return h
    }
  }
}
