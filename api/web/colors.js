// Colours by their names, as they are painted in pictures of choices.

export const cloth = {
  white: '#f4f1ea', black: '#2b2b31', gray: '#8d9098', red: '#c0392f', pink: '#e79bb1', orange: '#e2893f', yellow: '#e9c54b',
  green: '#4e8a5c', blue: '#3d6fb3', purple: '#7b5aa6', brown: '#7c5339', beige: '#d9c6a5',
}
const more = {
  grey: cloth.gray, navy: '#25375c', 'navy blue': '#25375c', 'dark green': '#2c5238', 'dark blue': '#25375c', 'light blue': '#9cc3e6', cream: '#f1e6cf', khaki: '#a99a6b', olive: '#6b6f3a',
  burgundy: '#6f2233', maroon: '#6f2233', teal: '#2f7f80', turquoise: '#45b5aa', gold: '#c9a227', silver: '#b9bdc5', tan: '#c79f6b',
  lavender: '#b8a5d8', violet: cloth.purple, crimson: '#a4243b', ivory: '#f3ecdc', charcoal: '#43464d', coral: '#ef8069', mint: '#a5d8c0',
}
export const hair = { black: '#2a2626', brown: '#6a4630', blonde: '#dcb768', red: '#a9472a', gray: '#9b9ca1', white: '#e9e6df' }

// paint is a colour's value, or a neutral one for names that have none here.
export const paint = (name, palette = cloth, fallback = '#a9adb8') => palette[name] ?? cloth[name] ?? more[name] ?? fallback

// shade makes a #rrggbb darker (below 1) or lighter (above).
export function shade(color, by) {
  const mix = (v) => Math.round(by < 1 ? v * by : v + (255 - v) * (by - 1))
  const parts = [1, 3, 5].map((i) => mix(parseInt(color.slice(i, i + 2), 16)))
  return `#${parts.map((v) => v.toString(16).padStart(2, '0')).join('')}`
}
