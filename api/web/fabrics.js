// Patterns and materials as half-transparent fills that lie over a colour. They are
// put into the page once and used by every picture.

import { s } from './dom.js'

const dark = 'rgba(0,0,0,.30)'
const faint = 'rgba(0,0,0,.16)'
const light = 'rgba(255,255,255,.42)'
const line = (d, stroke = faint, width = 1) => ['path', { d, fill: 'none', stroke, 'stroke-width': width }]
const fill = (d, f) => ['path', { d, fill: f }]

// fabrics by name: the side of the square that repeats, then its shapes.
export const fabrics = {
  plaid: [16, line('M4,0 V16 M0,4 H16', dark, 3), line('M11,0 V16 M0,11 H16', light, 1.2)],
  floral: [18, fill('M5,2.5 a2.2,2.2 0 1,0 .1,0 M5,7 a2.2,2.2 0 1,0 .1,0 M2.5,4.8 a2.2,2.2 0 1,0 .1,0 M7.5,4.8 a2.2,2.2 0 1,0 .1,0', 'rgba(255,255,255,.75)'), fill('M5,5.6 a1.4,1.4 0 1,0 .1,0', 'rgba(230,170,40,.95)'), fill('M14,12 q3,-3 3,1 q-2,3 -3,-1', 'rgba(40,90,50,.55)'), fill('M13,14.5 a1.6,1.6 0 1,0 .1,0', 'rgba(205,60,90,.7)')],
  printed: [10, fill('M3,2 a1.6,1.6 0 1,0 .1,0 M8,7 a1.6,1.6 0 1,0 .1,0', light)],
  graphic: [34, fill('M17,6 l3,7 7,.6 -5.4,4.6 1.8,7 -6.4,-3.8 -6.4,3.8 1.8,-7 -5.4,-4.6 7,-.6 Z', 'rgba(255,255,255,.7)'), line('M17,6 l3,7 7,.6 -5.4,4.6 1.8,7 -6.4,-3.8 -6.4,3.8 1.8,-7 -5.4,-4.6 7,-.6 Z', faint)],
  'tie-dye': [44, line('M22,22 m-4,0 a4,4 0 1,1 8,0 a7,7 0 1,1 -14,0 a11,11 0 1,1 22,0', 'rgba(235,120,160,.65)', 3), line('M22,22 m-16,0 a16,16 0 1,1 32,0 a18,18 0 1,1 -36,0', 'rgba(250,205,80,.6)', 3.4), line('M22,22 m-20,2 a20,20 0 1,1 40,0', 'rgba(90,170,210,.6)', 3)],
  'polka dot': [12, fill('M3,1.2 a2.4,2.4 0 1,0 .1,0 M9,7.2 a2.4,2.4 0 1,0 .1,0', 'rgba(255,255,255,.75)')],
  checkered: [12, fill('M0,0 h6 v6 h-6 Z M6,6 h6 v6 h-6 Z', dark)],
  camouflage: [30, fill('M2,4 q8,-5 12,2 q-2,7 -8,5 q-6,0 -4,-7 M18,16 q8,-4 11,3 q-4,8 -10,4 Z', 'rgba(40,60,30,.55)'), fill('M16,2 q8,-2 9,4 q-6,5 -9,-4 M4,18 q6,-3 9,3 q-2,6 -8,4 Z', 'rgba(150,130,80,.55)')],
  'leopard print': [14, line('M3,3 q2,-2 4,0 M9,9 q3,-1 3,2 M3,10 q1,2 3,1', 'rgba(40,22,10,.75)', 1.8), fill('M4.4,4 h1.6 v1.6 h-1.6 Z M10,10.6 h1.4 v1.4 h-1.4 Z', 'rgba(120,70,20,.5)')],
  striped: [8, line('M0,2 H8', light, 3)],
  cotton: [5, fill('M1,1 h1 v1 h-1 Z M3.5,3.5 h1 v1 h-1 Z', 'rgba(0,0,0,.07)')],
  silk: [60, fill('M8,0 C20,20 4,40 16,60 L26,60 C14,40 30,20 18,0 Z M40,0 C50,22 36,40 46,60 L52,60 C42,40 56,22 46,0 Z', 'rgba(255,255,255,.32)')],
  leather: [30, fill('M3,0 C9,12 2,22 8,30 L12,30 C7,20 13,10 8,0 Z', 'rgba(255,255,255,.30)'), line('M18,4 q4,5 1,10 M24,16 q-3,5 1,9', 'rgba(0,0,0,.22)', 1)],
  mesh: [5, line('M0,0 L5,5 M5,0 L0,5', 'rgba(255,255,255,.5)', 0.8)],
  fur: [9, line('M1,1 l1,4 M4,3 l1.2,4 M7,0 l-.6,4 M2.5,6 l.4,3 M7.4,5.5 l.8,3.5', 'rgba(255,255,255,.5)', 1), line('M3,1 l.6,3 M6,5 l.4,3', 'rgba(0,0,0,.25)', 1)],
  woven: [8, fill('M0,0 h4 v4 h-4 Z M4,4 h4 v4 h-4 Z', 'rgba(0,0,0,.14)'), line('M0,2 H4 M4,6 H8', 'rgba(255,255,255,.28)', 0.8)],
  knitted: [6, line('M0,1 L3,4 L6,1 M0,4 L3,7 L6,4 M0,-2 L3,1 L6,-2', 'rgba(0,0,0,.24)', 1)],
  wool: [5, fill('M1,1 h1.2 v1.2 h-1.2 Z M3.4,3.2 h1.2 v1.2 h-1.2 Z', 'rgba(255,255,255,.35)'), line('M0,3 l2,1 M3,0 l1.6,1', 'rgba(0,0,0,.2)', 0.8)],
  linen: [4, line('M0,1 H4 M1,0 V4', 'rgba(255,255,255,.28)', 0.6), line('M0,3 H4', 'rgba(0,0,0,.12)', 0.6)],
  velvet: [40, fill('M4,0 C10,14 0,26 6,40 L16,40 C8,26 20,14 14,0 Z M26,0 C32,14 24,26 30,40 L36,40 C30,26 40,14 34,0 Z', 'rgba(0,0,0,.2)')],
  lace: [9, line('M4.5,1 a3,3 0 1,0 .1,0 M0,9 q4.5,-4 9,0', 'rgba(255,255,255,.65)', 0.9)],
  satin: [60, fill('M6,0 C22,20 0,40 18,60 L32,60 C12,40 36,20 20,0 Z', 'rgba(255,255,255,.38)')],
  chiffon: [14, fill('M0,0 h7 v14 h-7 Z', 'rgba(255,255,255,.2)')],
  suede: [7, fill('M1,1 h1 v1 h-1 Z M4,3 h1 v1 h-1 Z M2,5 h1 v1 h-1 Z M6,6 h1 v1 h-1 Z', 'rgba(0,0,0,.16)')],
  canvas: [3, line('M0,1.5 H3 M1.5,0 V3', 'rgba(0,0,0,.14)', 0.6)],
  straw: [7, line('M0,2 H7 M0,5 H7 M2,2 V5 M5,5 V8 M5,-1 V2', 'rgba(110,75,20,.45)', 0.8)],
  denim: [4, line('M0,4 L4,0 M-1,1 L1,-1 M3,5 L5,3', 'rgba(255,255,255,.30)', 0.8)],
}

// fabricID is the fill's id: no spaces, since it is used as an address.
export const fabricID = (name) => `fabric-${name.replaceAll(' ', '-')}`

// defs are the fills, for one hidden drawing of the page.
export const defs = () => s('svg', { class: 'defs', width: 0, height: 0, 'aria-hidden': 'true', focusable: 'false' }, s('defs', null,
  Object.entries(fabrics).map(([name, [size, ...shapes]]) => s('pattern', { id: fabricID(name), width: size, height: size, patternUnits: 'userSpaceOnUse' },
    shapes.map(([element, attributes]) => s(element, attributes))))))
