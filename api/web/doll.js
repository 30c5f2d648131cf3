// A figure in a flat style, 200 by 440 units, dressed in what is chosen. The same
// drawing, cut, is the picture of each choice.

import { s } from './dom.js'
import { garments } from './garments.js'
import { hairOf } from './hair.js'
import { shade } from './colors.js'
import { fabricID, fabrics } from './fabrics.js'

// crops are the parts of the figure that pictures show: x, y, width, height.
export const crops = {
  whole: [10, 4, 180, 432], head: [55, 2, 90, 106], torso: [34, 70, 132, 160], legs: [48, 168, 104, 254],
  feet: [58, 356, 84, 66], neck: [62, 60, 76, 76], hand: [10, 150, 100, 110], waist: [54, 136, 92, 76], upper: [30, 4, 140, 200],
}

const limbs = {
  arm: 'M68,101 C60,103 56,113 54,130 L47,178 L42,218 C40,228 41,239 45,241 C50,242 52,232 53,224 L61,180 L71,130 Z',
  leg: 'M69,205 C67,240 71,280 73,300 C72,330 77,370 79,396 L91,396 C93,370 97,330 96.5,300 L100,214 L100,205 Z',
  foot: 'M79,393 L77,403 C74,409 70,413 76,414 L90,414 C94,414 92,402 91,393 Z',
}
const torso = 'M91,76 L91,90 C86,96 74,97 66,103 L73,150 C75,165 73,180 69,200 L69,214 L131,214 L131,200 C127,180 125,165 127,150 L134,103 C126,97 114,96 109,90 L109,76 Z'

// flip is the other side's copy of a shape.
const flip = { transform: 'matrix(-1 0 0 1 200 0)' }

// shape draws one {d, fill, fabric, line, both}; a fabric lies over the fill.
function shape(p) {
  const paths = []
  const add = (attributes) => {
    paths.push(s('path', { d: p.d, ...attributes }))
    if (p.both) paths.push(s('path', { d: p.d, ...attributes, ...flip }))
  }
  if (p.line) {
    add({ fill: 'none', stroke: p.line, 'stroke-width': p.width ?? 1.4, 'stroke-linecap': 'round', 'stroke-linejoin': 'round' })
    return paths
  }
  const edge = p.edge ?? shade(p.fill, 0.72)
  add({ fill: p.fill, stroke: edge, 'stroke-width': 1, 'stroke-linejoin': 'round' })
  for (const f of p.fabrics ?? []) if (fabrics[f]) add({ fill: `url(#${fabricID(f)})` })
  return paths
}

// skin is of nobody in particular.
const skin = '#cda98d'

// widths of the figure by its shape.
const widths = { slim: 0.9, thin: 0.86, fit: 1, athletic: 1.05, muscular: 1.1, curvy: 1.1, 'plus-size': 1.24, plump: 1.2 }
// heights by age, and a head that is larger the younger one is.
const ages = { toddler: [0.5, 1.55], child: [0.68, 1.25], teenager: [0.92, 1.04], adult: [1, 1], elderly: [0.95, 1] }

// doll draws the figure. only names the parts that are drawn; none: all. faint draws
// the body alone as a ground for what is looked at.
export function doll(body, outfit, { crop = 'whole', label, faint } = {}) {
  const [x, y, w, h] = Array.isArray(crop) ? crop : crops[crop]
  const [tall, headed] = ages[body?.age] ?? [1, 1]
  const wide = (widths[body?.shape] ?? 1) * (body?.gender === 'male' ? 1.06 : 1) * (tall < 0.8 ? 1.12 : 1)
  const tone = faint ? 'var(--ghost)' : skin
  const edge = faint ? 'var(--ghost-edge)' : shade(skin, 0.8)
  const limb = (d) => ({ d, fill: tone, edge, both: true })
  const worn = garments(outfit, !faint)
  const hair = body?.hair?.style || body?.hair?.length || body?.hair?.color ? hairOf(body.hair) : { back: [], front: [] }
  const headAt = (parts) => s('g', { transform: headed === 1 ? undefined : `translate(${100 - 100 * headed} ${82 - 82 * headed}) scale(${headed})` }, parts)

  const head = headAt([
    s('path', { d: 'M80,50 C80,30 88,25 100,25 C112,25 120,30 120,50 C120,66 111,77 100,77 C89,77 80,66 80,50 Z', fill: tone, stroke: edge }),
    faint ? [] : face(body),
    hair.front.map(shape),
    worn.head.map(shape),
  ])
  const scaled = s('g', { transform: tall === 1 && wide === 1 ? undefined : `translate(${100 - 100 * wide * tall} ${414 - 414 * tall}) scale(${wide * tall} ${tall})` },
    worn.behind.map(shape),
    headAt(hair.back.map(shape)),
    [limb(limbs.leg), limb(limbs.foot)].map(shape),
    shape({ d: torso, fill: tone, edge }),
    shape(limb(limbs.arm)),
    worn.layers.map(shape),
    head,
    worn.front.map(shape),
  )
  return s('svg', { class: 'doll', viewBox: `${x} ${y} ${w} ${h}`, preserveAspectRatio: 'xMidYMid meet', ...(label ? { role: 'img', 'aria-label': label } : { 'aria-hidden': 'true' }) }, scaled)
}

function face(body) {
  const ink = '#5c4638'
  const old = body?.age === 'elderly'
  return [
    s('circle', { cx: 92, cy: 52, r: 1.7, fill: ink }), s('circle', { cx: 108, cy: 52, r: 1.7, fill: ink }),
    s('path', { d: 'M88,46.5 Q92,44.5 95.5,46 M104.5,46 Q108,44.5 112,46.5', fill: 'none', stroke: ink, 'stroke-width': 1.1, 'stroke-linecap': 'round' }),
    s('path', { d: 'M94.5,64.5 Q100,68.5 105.5,64.5', fill: 'none', stroke: '#a3604f', 'stroke-width': 1.5, 'stroke-linecap': 'round' }),
    old && s('path', { d: 'M87,57 q3,2 6,0.5 M107,57.5 q3,1.5 6,-0.5 M93,37 h14 M95,33.5 h10', fill: 'none', stroke: ink, 'stroke-width': 0.7, opacity: 0.55 }),
  ].filter(Boolean)
}
