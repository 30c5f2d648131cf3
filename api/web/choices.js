// What can be chosen: fields of body and outfit, their attributes and the values that
// have a picture. The server's vocabulary adds the values that have none.

import { send } from './client.js'

// body is in the order of the panel.
export const body = [
  { path: 'shot', legend: 'Shot', kind: 'shot', values: ['full_body', 'nearly_full_body', 'upper_body', 'portrait', 'headshot'] },
  { path: 'gender', legend: 'Gender', kind: 'person', values: ['female', 'male'] },
  { path: 'age', legend: 'Age', kind: 'person', values: ['toddler', 'child', 'teenager', 'adult', 'elderly'] },
  { path: 'country', legend: 'From', kind: 'words', values: ['Asian', 'Caucasian', 'African', 'Latino', 'Indian'] },
  { path: 'shape', legend: 'Shape', kind: 'person', values: ['slim', 'fit', 'muscular', 'curvy', 'plus-size'] },
  { path: 'hair.style', legend: 'Hair', kind: 'hair', values: ['straight', 'wavy', 'curly', 'bob', 'ponytail', 'bun', 'afro-hair', 'crew cut', 'bald'] },
  { path: 'hair.length', legend: 'Hair length', kind: 'hair', values: ['above eyes', 'above chin', 'above shoulders', 'above chest'] },
  { path: 'hair.color', legend: 'Hair colour', kind: 'hair-color', values: ['black', 'brown', 'blonde', 'red', 'gray', 'white'] },
  { path: 'background', legend: 'Background', kind: 'scene', values: ['a white wall', 'a beige wall', 'a brick wall', 'a studio', 'small road with trees', 'a city street', 'a park', 'a beach', 'a cafe'] },
]

const color = { name: 'color', legend: 'Colour', kind: 'color', values: ['white', 'black', 'gray', 'beige', 'brown', 'red', 'pink', 'orange', 'yellow', 'green', 'blue', 'purple'] }
const material = (...values) => ({ name: 'material', legend: 'Material', kind: 'fabric', values })
const pattern = { name: 'pattern', legend: 'Pattern', kind: 'fabric', values: ['solid color', 'striped', 'plaid', 'floral', 'polka dot', 'tie-dye', 'printed'] }
const type = (...values) => ({ name: 'type', legend: 'Type', kind: 'garment', values })
const sleeve = { name: 'sleeve_length', legend: 'Sleeves', kind: 'garment', values: ['sleeveless', 'short sleeve', 'long sleeve'] }
const collar = { name: 'collar_shape', legend: 'Neckline', kind: 'garment', values: ['scoop neckline', 'v neckline', 'high neck'] }
const long = (name, ...values) => ({ name, legend: 'Length', kind: 'garment', values })
const anyMaterial = material('cotton', 'silk', 'leather', 'denim', 'knitted', 'woven', 'mesh', 'fur')

// outfit is the slots in the order of the panel; crop is the part of the figure that
// their pictures show, start what is put on when a slot is first opened and used.
export const outfit = [
  { slot: 'top', legend: 'Top', crop: 'torso', start: { type: 't-shirt' }, attributes: [type('t-shirt', 'shirt', 'blouse', 'polo shirt', 'camisole', 'sweater', 'sweatshirt', 'hoodie'), color, sleeve, collar, long('top_length', 'cropped', 'normal', 'long'), pattern, anyMaterial, { name: 'graphic', legend: 'Graphic', kind: 'words', values: ['graphic', 'logo', 'text', 'cartoon'] }] },
  { slot: 'coat', legend: 'Coat', crop: [22, 66, 156, 250], start: { type: 'jacket' }, attributes: [type('jacket', 'blazer', 'overcoat', 'trench coat', 'cardigan'), color, long('coat_length', 'short', 'normal', 'long'), material('denim', 'leather', 'cotton', 'woven', 'knitted', 'fur'), pattern] },
  { slot: 'bottom', legend: 'Bottom', crop: 'legs', start: { type: 'jeans' }, attributes: [type('jeans', 'pants', 'sweatpants', 'shorts', 'skirt'), color, long('length', 'short', 'midi', 'maxi'), { name: 'bottom_shape', legend: 'Cut', kind: 'garment', values: ['straight', 'tapered', 'close-fitting', 'pleated', 'wide-leg'] }, pattern, material('denim', 'cotton', 'leather', 'silk', 'woven', 'knitted')] },
  { slot: 'one_piece', legend: 'One piece', crop: 'whole', start: { type: 'dress' }, attributes: [type('dress', 'wedding dress', 'jumpsuit'), color, long('length', 'short', 'midi', 'maxi'), sleeve, collar, { name: 'shoulder_exposure_level', legend: 'Shoulders', kind: 'garment', values: ['off-shoulder'] }, pattern, material('cotton', 'silk', 'satin', 'lace', 'chiffon', 'knitted', 'denim')] },
  { slot: 'shoes', legend: 'Shoes', crop: 'feet', start: { type: 'sneakers' }, attributes: [type('sneakers', 'loafers', 'oxford shoes', 'high heels', 'boots', 'sandals'), color, { name: 'boots_length', legend: 'Boots', kind: 'garment', crop: [52, 250, 96, 172], values: ['ankle boots', 'knee-high boots'] }, material('leather', 'canvas', 'suede')] },
  { slot: 'bag', legend: 'Bag', crop: [10, 80, 180, 230], start: { type: 'backpack' }, attributes: [type('backpack', 'handbag', 'shoulder bag', 'tote bag'), color, material('leather', 'cotton', 'canvas')] },
  { slot: 'hat', legend: 'Hat', crop: 'head', start: { type: 'baseball cap' }, attributes: [type('hat', 'baseball cap', 'beanie'), color, material('cotton', 'straw', 'wool', 'leather')] },
  { slot: 'scarf', legend: 'Scarf', crop: [40, 30, 120, 150], start: { color: 'red' }, attributes: [color, pattern, material('wool', 'silk', 'knitted', 'cotton')] },
  { slot: 'belt', legend: 'Belt', crop: 'waist', start: { color: 'brown' }, attributes: [color, material('leather', 'woven')] },
  { slot: 'tie', legend: 'Tie', crop: 'torso', start: { color: 'red' }, attributes: [color, pattern, material('silk', 'knitted')] },
  { slot: 'socks', legend: 'Socks', crop: [58, 330, 84, 92], start: { color: 'white' }, attributes: [color, pattern, material('cotton', 'knitted')] },
  { slot: 'headband', legend: 'Headband', crop: 'head', start: { color: 'pink' }, attributes: [color, pattern, material('cotton', 'silk')] },
  { slot: 'headscarf', legend: 'Headscarf', crop: 'head', start: { color: 'purple' }, attributes: [color, pattern, material('cotton', 'silk')] },
  { slot: 'veil', legend: 'Veil', crop: 'upper', start: { color: 'white' }, attributes: [color, material('mesh', 'lace', 'silk')] },
  { slot: 'special', legend: 'Special', crop: 'whole', start: { type: 'saree' }, attributes: [type('saree', 'kimono'), color, sleeve, pattern, material('silk', 'cotton')] },
]

export const styles = ['casual', 'elegant', 'sporty', 'streetwear', 'business', 'bohemian', 'vintage', 'formal']

// known is what the server says, by path: body.hair.color, outfit.top.type.
const known = new Map()

// learn asks the server for its vocabulary. Without one the pictured values are there.
export async function learn() {
  const v = await (await send('GET', '/v1/prompts', { quiet: true })).json()
  known.set('body.shot', v.shots ?? [])
  for (const g of v.groups ?? []) {
    for (const a of g.attributes) {
      const inside = g.field === '' || g.field === a.name ? '' : `${g.field}.`
      known.set(`${g.part}.${inside}${a.name}`, a.values)
    }
  }
}

// others are values that the server knows at a path and that have no picture.
export const others = (path, pictured) => (known.get(path) ?? []).filter((v) => !pictured.includes(v))

const names = {
  full_body: 'Full body', nearly_full_body: 'Nearly full', upper_body: 'Waist up', portrait: 'Close-up', headshot: 'Headshot',
  'afro-hair': 'Afro', 'solid color': 'Plain', 'small road with trees': 'Road with trees', 'scoop neckline': 'Scoop', 'v neckline': 'V neck',
  'short sleeve': 'Short', 'long sleeve': 'Long',
}
// named is a value as people read it.
export const named = (v) => names[v] ?? (v.replace(/^a /, '').charAt(0).toUpperCase() + v.replace(/^a /, '').slice(1))
