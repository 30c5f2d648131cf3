// Garments on the figure of doll.js: from what is chosen to shapes, in the order in
// which they are worn.

import { paint, shade } from './colors.js'

const flat = (v) => (Array.isArray(v) ? v[0] : v)

// look is how a garment is painted: its colour and the fabrics over it.
function look(g, usual) {
  const color = flat(g.color) || colorOf[g.type] || colorOf[g.material]
  const pattern = g.graphic ? 'graphic' : flat(g.pattern)
  return { fill: paint(color || usual, undefined, color ? undefined : paint(usual)), fabrics: [flat(g.material), pattern].filter(Boolean) }
}

// colorOf are colours that a name brings along where none is chosen.
const colorOf = { jeans: 'blue', 'wedding dress': 'white', denim: 'blue', leather: 'brown' }

// worn is a garment as an object: a plain description is a garment without attributes.
const worn = (g) => (!g ? undefined : typeof g === 'string' ? { type: g } : Object.keys(g).length ? g : undefined)

const sleeves = {
  sleeveless: null,
  'short sleeve': 'M69,100 C59,102 53,114 50,140 L71,148 L74,122 Z',
  'long sleeve': 'M69,100 C58,102 54,114 51,130 L44,180 L40,221 L56,224 L64,180 L74,130 Z',
}

// trunk is a garment's body from the shoulders to y: wide is how far it stands off.
function trunk(y, wide = 0, neck = 'round') {
  const hole = {
    round: 'L88,95 Q100,106 112,95', scoop: 'L84,98 Q100,124 116,98', v: 'L90,93 L100,122 L110,93', high: 'L90,78 L110,78', straps: 'L84,98 L83,114 Q100,122 117,114 L116,98',
    off: 'M64,118', shirt: 'L90,92 L100,104 L110,92',
  }[neck]
  const w = 30 + wide
  const side = y > 196 ? `L${100 - w - 3},${y}` : ''
  const sideR = y > 196 ? `L${100 + w + 3},${y}` : ''
  if (neck === 'off') return `M66,116 Q100,128 134,116 L${127 + wide},150 C${125 + wide},165 ${127 + wide},180 ${100 + w},${Math.min(y, 196)} ${sideR} ${side} L${100 - w},${Math.min(y, 196)} C${73 - wide},180 ${75 - wide},165 ${73 - wide},150 Z`
  return `M66,103 C73,97 82,98 88,94 ${hole} C118,98 127,97 134,103 L${128 + wide},150 C${126 + wide},166 ${127 + wide},180 ${100 + w},${Math.min(y, 196)} ${sideR} ${side} L${100 - w},${Math.min(y, 196)} C${73 - wide},180 ${74 - wide},166 ${72 - wide},150 Z`
}

const necks = { 'scoop neckline': 'scoop', 'v neckline': 'v', 'high neck': 'high' }

function top(g) {
  const l = look(g, 'white')
  const ink = shade(l.fill, 0.66)
  const type = g.type ?? ''
  const strappy = /camisole|tank/.test(type)
  const collared = /shirt$|blouse|polo/.test(type) && !/t-shirt|sweatshirt/.test(type)
  const thick = /hoodie|sweat/.test(type)
  const y = { cropped: 158, short: 172, normal: 200, long: 226 }[flat(g.top_length) ?? flat(g.length)] ?? (/crop/.test(type) ? 158 : thick ? 206 : 200)
  const sleeve = sleeves[g.sleeve_length ?? (strappy ? 'sleeveless' : /t-shirt|polo/.test(type) ? 'short sleeve' : 'long sleeve')]
  const neck = necks[g.collar_shape] ?? (strappy ? 'straps' : collared ? 'shirt' : 'round')
  const out = []
  if (sleeve) out.push({ d: sleeve, ...l, both: true })
  out.push({ d: trunk(y, thick ? 4 : 1, neck), ...l })
  if (collared && neck === 'shirt') out.push({ d: 'M90,91 L100,104 L93,112 L84,98 Z', fill: shade(l.fill, 1.25), both: true })
  if (/shirt$|blouse/.test(type) && collared && !/polo/.test(type)) out.push({ d: `M100,104 V${y - 2}`, line: ink, width: 1 }, { d: `M102.5,${116} h.1 M102.5,134 h.1 M102.5,152 h.1 M102.5,170 h.1 M102.5,186 h.1`, line: ink, width: 2.2 })
  if (/polo/.test(type)) out.push({ d: 'M100,104 V130 M102.5,112 h.1 M102.5,121 h.1', line: ink, width: 1.4 })
  if (/hoodie/.test(type)) out.push({ d: 'M84,97 C80,84 86,78 90,80 C90,92 94,100 100,106 C106,100 110,92 110,80 C114,78 120,84 116,97 C112,108 104,112 100,114 C96,112 88,108 84,97 Z', fill: shade(l.fill, 0.86) }, { d: 'M82,200 L86,172 H114 L118,200 M95,112 V130 M105,112 V130', line: ink })
  if (/sweat|knit/.test(type) && !/hoodie/.test(type)) out.push({ d: `M71,${y - 7} H129 M88,98 Q100,110 112,98`, line: ink, width: 2 })
  if (/sweater/.test(type)) out.push({ d: `M74,${y - 6} v5 M80,${y - 6} v5 M86,${y - 6} v5 M92,${y - 6} v5 M98,${y - 6} v5 M104,${y - 6} v5 M110,${y - 6} v5 M116,${y - 6} v5 M122,${y - 6} v5`, line: ink, width: 1 })
  return out
}

function coat(g) {
  const l = look(g, 'beige')
  const ink = shade(l.fill, 0.66)
  const long = /overcoat|trench|coat$|parka/.test(g.type ?? '')
  const y = { short: 168, normal: 212, midi: 300, long: 330, maxi: 380 }[flat(g.coat_length) ?? flat(g.length)] ?? (long ? 300 : 206)
  const hem = y > 212 ? 60 : 65
  return [
    { d: 'M70,99 C56,101 51,114 48,130 L41,182 L37,224 L57,227 L66,182 L76,132 Z', ...l, both: true },
    { d: `M66,101 C74,95 84,96 88,92 L94,130 L95,${y} L${hem},${y} C${hem + 3},190 70,172 69,152 Z`, ...l, both: true },
    { d: 'M88,91 L93,106 L88,112 L94,138 L80,108 L78,96 Z', fill: shade(l.fill, 0.86), both: true },
    { d: `M72,${Math.min(y, 212) - 34} h13`, line: ink, both: true },
  ]
}

// lengths of what hangs from the waist, by name.
const hems = { short: 262, midi: 322, maxi: 388, normal: 300, long: 388 }

function skirtShape(y, shape) {
  const w = { straight: 34, tapered: 29, 'close-fitting': 31 }[shape] ?? 34 + (y - 160) * 0.14
  return `M75,160 C74,176 71,190 ${100 - Math.min(w, 36)},206 L${100 - w},${y} Q100,${y + 5} ${100 + w},${y} L${100 + Math.min(w, 36)},206 C129,190 126,176 125,160 Q100,165 75,160 Z`
}

function pleats(y, ink) {
  return { d: [0, 1, 2, 3, 4, 5].map((i) => `M${84 + i * 6.4},172 L${72 + i * 11.2},${y - 1}`).join(' '), line: ink, width: 1 }
}

function trousers(y, shape, wide = 0) {
  const out = { tapered: 1, 'close-fitting': -2, pleated: 5, wide: 10, 'wide-leg': 12, straight: 4 }[shape] ?? 3
  const knee = out + 2 + wide
  return `M75,160 C73,178 69,192 67,208 C65,250 ${72 - knee / 2},280 ${73 - knee / 2},300 L${78 - out},${y} L${93 + out / 2},${y} L${97 + wide / 4},300 L100,222 L${103 - wide / 4},300 L${107 - out / 2},${y} L${122 + out},${y} L${127 + knee / 2},300 C${128 + knee / 2},280 135,250 133,208 C131,192 127,178 125,160 Q100,165 75,160 Z`
}

function bottom(g) {
  const l = look(g, g.type === 'jeans' ? 'blue' : 'gray')
  if (g.type === 'jeans' && !g.material) l.fabrics.unshift('denim')
  const ink = shade(l.fill, 0.62)
  const shape = flat(g.bottom_shape)
  if (/skirt|kilt/.test(g.type ?? '')) {
    const y = hems[flat(g.length)] ?? 300
    return [{ d: skirtShape(y, shape), ...l }, ...(shape === 'pleated' ? [pleats(y, ink)] : []), { d: 'M75,167 Q100,172 125,167', line: ink, width: 1.2 }]
  }
  const y = { short: 254, midi: 320, maxi: 396 }[flat(g.length)] ?? (/shorts/.test(g.type ?? '') ? 254 : 394)
  const out = [{ d: y < 300 ? `M75,160 C73,178 69,192 67,208 L65,${y} L97,${y} L100,222 L103,${y} L135,${y} L133,208 C131,192 127,178 125,160 Q100,165 75,160 Z` : trousers(y, shape, /wide/.test(g.type ?? '') ? 6 : 0), ...l },
    { d: 'M75,167 Q100,172 125,167 M100,170 V222', line: ink, width: 1.2 }]
  if (/jeans|denim/.test(g.type ?? '')) out.push({ d: 'M78,172 q2,12 -7,14', line: shade(l.fill, 1.5), width: 1, both: true })
  if (/sweatpants|joggers/.test(g.type ?? '')) out.push({ d: `M76,${y - 8} H93 M92,174 v12`, line: ink, both: true })
  if (shape === 'pleated') out.push({ d: 'M86,176 L83,240', line: ink, width: 1, both: true })
  return out
}

function onePiece(g) {
  const l = look(g, g.type === 'wedding dress' ? 'white' : 'red')
  const ink = shade(l.fill, 0.66)
  const gown = /wedding|gown/.test(g.type ?? '')
  const off = /off/.test(flat(g.shoulder_exposure_level) ?? '')
  const sleeve = sleeves[g.sleeve_length ?? 'sleeveless']
  const neck = off ? 'off' : necks[g.collar_shape] ?? 'scoop'
  const out = []
  if (sleeve && !off) out.push({ d: sleeve, ...l, both: true })
  if (/jumpsuit|romper|overall/.test(g.type ?? '')) out.push({ d: trousers({ short: 254, midi: 320 }[flat(g.length)] ?? 394, 'straight', 3), ...l })
  else {
    const y = hems[flat(g.length)] ?? (gown ? 400 : 312)
    out.push({ d: gown ? `M75,160 C66,210 48,320 40,${y} Q100,${y + 14} 160,${y} C152,320 134,210 125,160 Q100,165 75,160 Z` : skirtShape(y), ...l })
    if (gown) out.push({ d: `M88,170 Q74,290 66,${y} M100,170 V${y + 6} M112,170 Q126,290 134,${y}`, line: ink, width: 1 })
  }
  out.push({ d: trunk(168, 0, neck), ...l, edge: 'none' }, { d: 'M75,165 Q100,171 125,165', line: ink, width: 1.2 })
  return out
}

function special(g) {
  const l = look(g, g.type === 'saree' ? 'orange' : 'red')
  const deep = shade(l.fill, 0.78)
  const ink = shade(l.fill, 0.6)
  const sleeve = sleeves[g.sleeve_length ?? (/kimono|hanbok|robe/.test(g.type ?? '') ? 'long sleeve' : 'short sleeve')]
  if (/kimono|hanfu|robe|hanbok/.test(g.type ?? '')) {
    return [
      { d: 'M70,100 C56,104 50,120 44,150 L30,214 L62,226 L74,150 Z', ...l, both: true },
      { d: `M66,102 L90,92 L100,126 L110,92 L134,102 L128,160 L134,390 L66,390 L72,160 Z`, ...l },
      { d: 'M90,92 L104,140 L112,390 M110,92 L96,132', line: ink, width: 3 },
      { d: 'M71,150 H129 L130,176 H70 Z', fill: deep },
    ]
  }
  return [
    ...(sleeve ? [{ d: sleeve, fill: deep, both: true }] : []),
    { d: trunk(160, 0, 'scoop'), fill: deep },
    { d: 'M74,166 C70,220 62,320 58,392 Q100,402 142,392 C138,320 130,220 126,166 Z', ...l },
    { d: 'M92,176 L84,394 M100,176 L98,398 M108,176 L114,396', line: ink, width: 1 },
    { d: 'M66,104 L84,97 C100,130 122,150 128,176 L126,196 C104,176 78,140 66,104 Z', ...l },
    { d: 'M66,104 L58,150 L52,236 L68,240 L72,150 Z', ...l },
  ]
}

function shoes(g) {
  const l = look(g, 'black')
  const ink = shade(l.fill, 0.6)
  const pair = (d, more = {}) => ({ d, ...l, both: true, ...more })
  const type = g.type ?? ''
  if (/boots/.test(type) || g.boots_length) {
    const y = { 'ankle boots': 374, 'mid-calf boots': 346, 'knee boots': 306, 'knee-high boots': 306, 'over-the-knee boots': 276 }[flat(g.boots_length)] ?? (/knee/.test(type) ? 306 : 366)
    return [pair(`M73,${y} H97 L96,402 C97,410 95,415 90,415 L75,415 C67,415 70,408 75,400 Z`), { d: 'M70,412 H95', line: ink, width: 2.4, both: true }]
  }
  if (/heel|pump/.test(type)) return [pair('M78,398 C74,406 68,412 72,416 L80,416 C86,412 90,408 91,404 L92,418 L95,418 L94,396 C90,402 84,404 78,398 Z')]
  if (/sandal|slipper|flip/.test(type)) return [pair('M71,412 H95 V416 H71 Z'), { d: 'M74,411 L88,398 M92,411 L78,398', ...{ line: l.fill }, width: 3, both: true }]
  const low = pair('M77,396 L76,403 C73,408 67,411 69,416 L94,416 C97,414 94,400 92,395 C88,399 82,400 77,396 Z')
  if (/sneaker|trainer|running/.test(type)) return [low, { d: 'M68.5,414.5 H95', line: '#f6f4ef', width: 3.2, both: true }, { d: 'M77,402 l8,3 M76,405.5 l7,2.6', line: '#f6f4ef', width: 1.2, both: true }]
  if (/oxford|derby|dress/.test(type)) return [low, { d: 'M69,415.5 H95', line: ink, width: 2, both: true }, { d: 'M79,402 l6,1.6 M78,405 l6,1.6 M73,411 q5,-2 9,1', line: shade(l.fill, 1.6), width: 1, both: true }]
  return [low, { d: 'M69,415.5 H95', line: ink, width: 2, both: true }, { d: 'M76,405 q6,4 12,1', line: shade(l.fill, 1.5), width: 1.6, both: true }]
}

function bag(g) {
  const l = look(g, 'brown')
  const ink = shade(l.fill, 0.62)
  if (/backpack|rucksack/.test(g.type ?? 'backpack')) {
    return { behind: [{ d: 'M52,104 Q100,84 148,104 L152,196 Q100,212 48,196 Z', ...l }], layers: [{ d: 'M80,96 C76,120 75,140 76,160', line: ink, width: 6.5, both: true }, { d: 'M80,96 C76,120 75,140 76,160', line: l.fill, width: 4.5, both: true }] }
  }
  if (/shoulder|crossbody|messenger/.test(g.type ?? '')) return { layers: [{ d: 'M128,98 L58,196', line: l.fill, width: 3.4 }, { d: 'M36,192 H72 L74,226 Q55,232 34,226 Z', ...l }, { d: 'M36,204 Q55,212 73,204', line: ink }] }
  const tall = /tote/.test(g.type ?? '') ? 56 : 40
  return { front: [{ d: `M36,250 C36,226 60,226 60,250`, line: l.fill, width: 3 }, { d: `M27,248 H69 L72,${248 + tall} H24 Z`, ...l }, { d: 'M44,256 h8', line: ink, width: 2.4 }] }
}

function hat(g) {
  const l = look(g, 'beige')
  const deep = shade(l.fill, 0.7)
  if (/cap/.test(g.type ?? '') && !/beanie/.test(g.type)) return [{ d: 'M77,38 C76,16 90,10 100,10 C110,10 124,16 123,38 Q100,30 77,38 Z', ...l }, { d: 'M76,37 C90,27 122,27 141,39 C124,38 92,36 76,40 Z', fill: deep }]
  if (/beanie|knit/.test(g.type ?? '')) return [{ d: 'M77,36 C76,12 88,7 100,7 C112,7 124,12 123,36 Z', ...l }, { d: 'M75,32 H125 V42 H75 Z', fill: deep }]
  return [{ d: 'M80,32 C81,12 88,6 100,8 C112,6 119,12 120,32 Z', ...l }, { d: 'M79,25 H121 L121.5,33 H78.5 Z', fill: deep }, { d: 'M52,36 Q100,22 148,36 Q124,44 100,40 Q76,44 52,36 Z', ...l }]
}

const around = (d, usual) => (g) => [{ d, ...look(g, usual) }]
const belt = (g) => [...around('M73,158 Q100,164 127,158 L127.5,167 Q100,173 72.5,167 Z', 'brown')(g), { d: 'M95,161.5 h10 v8.5 h-10 Z', line: '#d6b75c', width: 1.8 }]
const scarf = around('M83,84 Q100,98 117,84 C124,90 122,104 112,108 L116,164 L101,166 L98,110 C84,108 76,98 83,84 Z', 'red')
const tie = around('M95.5,102 H104.5 L103,109 L107,154 L100,164 L93,154 L97,109 Z', 'red')
const headband = around('M79.5,36 Q100,26 120.5,36 L121,43 Q100,33 79,43 Z', 'pink')
const headscarf = around('M77,50 C72,22 86,14 100,14 C114,14 128,22 123,50 C121,38 112,31 100,31 C88,31 79,38 77,50 Z M80,60 C78,74 90,84 100,86 C110,84 122,74 120,60 L127,92 Q100,110 73,92 Z', 'purple')
const socks = (g) => around('M74.5,346 H96 L94,398 C90,404 80,404 77,398 Z', 'white')(g).map((p) => ({ ...p, both: true }))
const veil = (g) => [{ d: 'M70,30 C60,90 50,170 44,232 L156,232 C150,170 140,90 130,30 C116,8 84,8 70,30 Z', fill: paint(flat(g.color) || 'white'), fabrics: ['mesh'], edge: '#c9c6bf' }]

// plain is what stands for garments that nothing is said of.
function plain(g) {
  const fill = '#b6b3bb'
  return [
    !g.top && !g.one_piece && !g.special && { d: trunk(196, 0, 'straps'), fill, edge: 'none' },
    !g.bottom && !g.one_piece && !g.special && { d: 'M73,170 C73,180 69,192 67,208 L66,236 L97,236 L100,222 L103,236 L134,236 L133,208 C131,192 127,180 127,170 Z', fill, edge: 'none' },
  ]
}

// garments answers shapes behind the body, on it, in front of the head and on the head.
export function garments(outfit = {}, whole = true) {
  const g = Object.fromEntries(Object.entries(outfit ?? {}).map(([slot, v]) => [slot, worn(v)]).filter(([, v]) => v))
  const bags = g.bag ? bag(g.bag) : {}
  return {
    behind: [...(g.veil ? veil(g.veil) : []), ...(bags.behind ?? [])],
    layers: [
      whole && plain(g),
      g.socks && socks(g.socks), g.shoes && shoes(g.shoes), g.bottom && bottom(g.bottom), g.one_piece && onePiece(g.one_piece),
      g.top && top(g.top), g.special && special(g.special), g.belt && belt(g.belt), g.tie && tie(g.tie), g.coat && coat(g.coat), bags.layers,
    ].flat().filter(Boolean),
    front: [g.scarf && scarf(g.scarf), bags.front].flat().filter(Boolean),
    head: [g.headscarf && headscarf(g.headscarf), g.headband && headband(g.headband), g.hat && hat(g.hat)].flat().filter(Boolean),
  }
}
