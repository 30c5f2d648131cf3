// Small pictures of backgrounds, 60 by 40 units.

import { s } from './dom.js'

const p = (d, fill) => ['path', { d, fill }]
const scenes = {
  'a white wall': [p('M0,0 H60 V40 H0 Z', '#f3f1ec'), p('M0,33 H60 V40 H0 Z', '#dcd5c8')],
  'a beige wall': [p('M0,0 H60 V40 H0 Z', '#e0cfb2'), p('M0,33 H60 V40 H0 Z', '#c2ab85')],
  'a brick wall': [p('M0,0 H60 V40 H0 Z', '#b0664c'), ['path', { d: 'M0,8 H60 M0,16 H60 M0,24 H60 M0,32 H60 M10,0 V8 M30,0 V8 M50,0 V8 M20,8 V16 M40,8 V16 M10,16 V24 M30,16 V24 M50,16 V24 M20,24 V32 M40,24 V32 M10,32 V40 M30,32 V40 M50,32 V40', stroke: '#d9a48d', fill: 'none' }]],
  'small road with trees': [p('M0,0 H60 V22 H0 Z', '#bfe0ee'), p('M0,20 H60 V40 H0 Z', '#8fb873'), p('M26,20 H34 L46,40 H14 Z', '#b9b4aa'), p('M8,22 a8,9 0 1,1 8,0 Z M44,22 a8,9 0 1,1 8,0 Z', '#4f8552'), p('M11,22 h2 v4 h-2 Z M47,22 h2 v4 h-2 Z', '#7a5236')],
  'a city street': [p('M0,0 H60 V40 H0 Z', '#d8e2ea'), p('M0,6 H16 V32 H0 Z M44,2 H60 V32 H44 Z', '#8c98a6'), p('M16,14 H26 V32 H16 Z M36,11 H44 V32 H36 Z', '#a9b3bf'), p('M0,32 H60 V40 H0 Z', '#6d7078'), p('M3,10 h3 v3 h-3 Z M9,10 h3 v3 h-3 Z M3,17 h3 v3 h-3 Z M9,17 h3 v3 h-3 Z M48,7 h3 v3 h-3 Z M54,7 h3 v3 h-3 Z M48,14 h3 v3 h-3 Z M54,14 h3 v3 h-3 Z', '#f4dc8a')],
  'a beach': [p('M0,0 H60 V18 H0 Z', '#bfe3f2'), p('M0,16 H60 V26 H0 Z', '#4fa3c2'), p('M0,26 Q30,22 60,27 V40 H0 Z', '#ecd9ae'), ['circle', { cx: 46, cy: 9, r: 5, fill: '#f7d774' }]],
  'a park': [p('M0,0 H60 V22 H0 Z', '#cfe8ef'), p('M0,21 Q30,15 60,21 V40 H0 Z', '#86b56b'), p('M12,24 a9,10 0 1,1 14,0 Z', '#4f8552'), p('M18,22 h2.4 v8 h-2.4 Z', '#7a5236'), p('M36,30 h16 v2 h-16 Z M38,32 h2 v4 h-2 Z M48,32 h2 v4 h-2 Z', '#9a6b43')],
  'a cafe': [p('M0,0 H60 V40 H0 Z', '#e7d3bd'), p('M6,10 H54 V32 H6 Z', '#7e5a45'), p('M10,14 H34 V28 H10 Z', '#f6e2a8'), p('M38,14 H50 V32 H38 Z', '#5c3f30'), p('M4,6 H56 L58,13 H2 Z', '#b5483e'), p('M0,34 H60 V40 H0 Z', '#bfae9a')],
  'a studio': [p('M0,0 H60 V28 H0 Z', '#c9ccd3'), p('M0,28 Q30,23 60,28 V40 H0 Z', '#b4b8c1'), p('M6,4 L16,8 L12,16 L4,10 Z', '#43464d'), p('M9,12 h1.4 V34 h-1.4 Z', '#43464d')],
}

export const sceneNames = Object.keys(scenes)

// scene is the picture of a background, if there is one.
export const scene = (name) => scenes[name] && s('svg', { viewBox: '0 0 60 40', preserveAspectRatio: 'xMidYMid slice', 'aria-hidden': 'true', class: 'scene' },
  scenes[name].map(([element, attributes]) => s(element, attributes)))
