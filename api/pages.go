package api

import "html"

func htmlEscape(s string) string { return html.EscapeString(s) }

const pageStyle = `<style>body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:4rem auto;padding:0 1rem;color:#222}
pre{background:#f4f4f2;padding:1rem;overflow:auto;border-radius:6px}h1{font-size:1.4rem}</style>`

const noModelPage = `<!doctype html><html lang="en"><meta charset="utf-8"><title>cosmicman</title>` + pageStyle + `
<h1>cosmicman runs, but has no model yet</h1>
<p>Start it with a Stable Diffusion 1.5 or SDXL model in diffusers' layout: a folder, or a name in the Hugging Face cache.</p>
<pre>make run MODEL=/path/to/stable-diffusion-v1-5
bin/cosmicman serve --model stabilityai/stable-diffusion-xl-base-1.0 --unet cosmicman/CosmicMan-SDXL</pre>
<p>To try the program without one, make a model with random weights. It draws noise, not people:</p>
<pre>bin/cosmicman models new --arch tiny-sd --seed 0 /tmp/tiny-sd
bin/cosmicman serve --model /tmp/tiny-sd</pre></html>`

const modelPage = `<!doctype html><html lang="en"><meta charset="utf-8"><title>cosmicman</title>` + pageStyle + `
<h1>cosmicman serves %s</h1>
<pre>curl -s http://127.0.0.1:8080/v1/images/generations -H 'Content-Type: application/json' \
  -d '{"prompt": "A headshot, a Caucasian child male, fit, a white wall"}' | jq -r '.data[0].b64_json' | base64 -d > out.png</pre></html>`
