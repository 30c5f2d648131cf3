// The same request for other programs: curl and OpenAI's Python library.

import { $, download, h, icon, tabs, toast } from './dom.js'
import { key } from './client.js'

const shell = (text) => `'${text.replaceAll("'", `'\\''`)}'`

// python writes a value as Python does.
function python(v, indent = '') {
  if (v === null || v === undefined) return 'None'
  if (typeof v === 'boolean') return v ? 'True' : 'False'
  if (typeof v === 'number') return String(v)
  if (typeof v === 'string') return JSON.stringify(v)
  if (Array.isArray(v)) return `[${v.map((x) => python(x, indent)).join(', ')}]`
  const inner = `${indent}    `
  return `{\n${Object.entries(v).map(([k, x]) => `${inner}${JSON.stringify(k)}: ${python(x, inner)},\n`).join('')}${indent}}`
}

// standard are the fields that OpenAI's library has parameters for; the others go by
// extra_body.
const standard = {
  generations: ['prompt', 'model', 'n', 'size', 'quality', 'output_format', 'output_compression'],
  edits: ['prompt', 'model', 'n', 'size', 'quality', 'output_format', 'output_compression'],
  variations: ['model', 'n', 'size'],
}
const methods = { generations: 'generate', edits: 'edit', variations: 'create_variation' }

const extension = (fields) => ({ jpeg: 'jpg', webp: 'webp' })[fields.output_format] ?? 'png'

// curl is a call that writes the images to files.
export function curl({ route, fields, pictures }, origin, withKey) {
  const files = Object.keys(pictures ?? {})
  const lines = [`curl -sS ${shell(`${origin}/v1/images/${route}`)}`]
  if (withKey) lines.push('-H "Authorization: Bearer $COSMICMAN_API_KEY"')
  if (files.length) {
    for (const p of files) lines.push(`-F ${p}=@${p}.png`)
    for (const [name, v] of Object.entries(fields)) lines.push(`--form-string ${shell(`${name}=${typeof v === 'object' ? JSON.stringify(v) : v}`)}`)
  } else {
    lines.push("-H 'Content-Type: application/json'", `-d ${shell(JSON.stringify(fields, null, 2))}`)
  }
  const n = fields.n ?? 1
  const ext = extension(fields)
  const save = n > 1
    ? `jq -r '(.data // error(.error.message))[].b64_json' |\n  { i=0; while read -r image; do printf %s "$image" | base64 -d > "out-$i.${ext}"; i=$((i+1)); done; }`
    : `jq -r '(.data // error(.error.message))[0].b64_json' | base64 -d > out.${ext}`
  return `${lines.join(' \\\n  ')} |\n  ${save}\n`
}

// openai is the call with OpenAI's Python library.
export function openai({ route, fields, pictures }, origin, withKey) {
  const files = Object.keys(pictures ?? {})
  const own = standard[route]
  const args = []
  for (const p of files) args.push(`${p}=open("${p}.png", "rb")`)
  if (route !== 'variations') args.push(`prompt=${python(fields.prompt ?? '')}`)
  for (const name of own) if (name !== 'prompt' && fields[name] !== undefined) args.push(`${name}=${python(fields[name])}`)
  const extra = Object.fromEntries(Object.entries(fields).filter(([name]) => !own.includes(name))
    // Forms hold text: what is an object is sent as JSON.
    .map(([name, v]) => [name, files.length && typeof v === 'object' ? JSON.stringify(v) : v]))
  if (Object.keys(extra).length) args.push(`extra_body=${python(extra, '    ')}`)
  const ext = extension(fields)
  return `import base64
${withKey ? 'import os\n' : ''}from openai import OpenAI

client = OpenAI(base_url="${origin}/v1", api_key=${withKey ? 'os.environ["COSMICMAN_API_KEY"]' : '"none"'})
answer = client.images.${methods[route]}(
    ${args.join(',\n    ')},
)
for i, image in enumerate(answer.data):
    with open(f"out-{i}.${ext}", "wb") as f:
        f.write(base64.b64decode(image.b64_json))
`
}

// copyable puts a button on a block that copies its text.
export function copyable(block) {
  const b = h('button', { type: 'button', class: 'quiet small copy' }, icon('copy'), h('span', null, 'Copy'))
  const box = h('div', { class: 'code' })
  block.replaceWith(box)
  box.append(block, b)
  b.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(block.textContent)
      toast('Copied')
    } catch {
      toast('The browser does not let the page copy: select the text, please')
    }
  })
}

// callsDialog shows the calls for a request.
export function callsDialog() {
  const dialog = $('#calls')
  const show = { curl: $('#call-curl code'), python: $('#call-python code') }
  copyable($('#call-curl'))
  copyable($('#call-python'))
  tabs($('[role=tablist]', dialog))
  return (request) => {
    const withKey = key.get() !== ''
    show.curl.textContent = curl(request, location.origin, withKey)
    show.python.textContent = openai(request, location.origin, withKey)
    $('#call-key').hidden = !withKey
    const files = Object.entries(request.pictures ?? {})
    $('#call-files').replaceChildren(...(files.length ? ['The call reads from the folder it runs in: ', ...files.map(([name, blob]) => h('button', { type: 'button', class: 'quiet small', onclick: () => download(blob, `${name}.png`) }, icon('download'), `${name}.png`))] : []))
    dialog.showModal()
  }
}
