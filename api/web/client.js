// The server's routes. Keys are kept for as long as the tab is open.

const keyName = 'cosmicman.key'
export const key = {
  get: () => sessionStorage.getItem(keyName) ?? '',
  set: (k) => (k ? sessionStorage.setItem(keyName, k) : sessionStorage.removeItem(keyName)),
}

// Failure is an error as the server told it: OpenAI's shape.
export class Failure extends Error {
  constructor(status, e, retryAfter) {
    super(e?.message || `the server answered ${status}`)
    Object.assign(this, { status, type: e?.type, code: e?.code, param: e?.param, retryAfter })
  }
}

let askForKey = async () => false
// onKeyNeeded sets who is asked for a key; it answers whether one was given.
export const onKeyNeeded = (ask) => { askForKey = ask }

// send makes a request, again with a key if one is needed. It throws Failure for what
// the server refuses, and TypeError where it cannot be reached.
export async function send(method, path, { body, headers = {}, signal, quiet } = {}) {
  for (;;) {
    const all = { ...headers }
    const used = key.get()
    if (used) all.Authorization = `Bearer ${used}`
    let payload = body
    if (body !== undefined && !(body instanceof FormData)) {
      all['Content-Type'] = 'application/json'
      payload = JSON.stringify(body)
    }
    const answer = await fetch(path, { method, headers: all, body: payload, signal, cache: 'no-store' })
    if (answer.ok) return answer
    const failure = await failureOf(answer)
    if (answer.status !== 401 || quiet) throw failure
    if (key.get() === used && !(await askForKey(failure, used !== ''))) throw failure
  }
}

async function failureOf(answer) {
  let e
  try {
    e = (await answer.json()).error
  } catch {
    // Not the server itself: something between here and there.
  }
  const wait = Number(answer.headers.get('retry-after-ms')) / 1000 || Number(answer.headers.get('retry-after'))
  return new Failure(answer.status, e, wait || undefined)
}

export const getJSON = async (path, o) => (await send('GET', path, o)).json()
export const postJSON = async (path, body, o) => (await send('POST', path, { ...o, body })).json()

// models are those that can be used.
export const models = async () => (await getJSON('/v1/models')).data ?? []

// loras are those that the server has.
export const loras = async () => (await getJSON('/v1/loras')).data ?? []

// ready is '' when images can be drawn, or why not.
export async function ready() {
  const answer = await fetch('/readyz', { cache: 'no-store' })
  return answer.ok ? '' : (await answer.text()).replace(/^not ready: /, '').trim()
}

// submit asks for images and returns the job, which the server goes on with whatever
// becomes of the page. Pictures make it a form.
export async function submit({ route, fields, pictures }) {
  let body = fields
  if (pictures) {
    body = new FormData()
    for (const [name, v] of Object.entries(fields)) body.append(name, typeof v === 'object' ? JSON.stringify(v) : String(v))
    for (const [name, blob] of Object.entries(pictures)) body.append(name, blob, `${name}.png`)
  }
  return postJSON(`/v1/images/${route}`, body, { headers: { Prefer: 'respond-async' } })
}

export const cancel = async (id) => (await send('DELETE', `/v1/jobs/${id}`)).json()

const ended = new Set(['completed', 'failed', 'cancelled', 'expired'])

// follow tells a job's states, {job, preview}, until it has ended, and returns the
// last. It listens to the job's events, and asks again and again where no stream of
// events comes through. It throws Failure when the server does not know the job.
export async function follow(id, tell, signal) {
  for (let tries = 0; ; tries++) {
    try {
      const last = await listen(id, (u) => { tries = 0; tell(u) }, signal)
      if (last) return last
    } catch (e) {
      if (signal?.aborted || (e instanceof Failure && e.status < 500 && e.status !== 429)) throw e
    }
    await pause(Math.min(250 * 2 ** tries, 5000), signal)
    try {
      const job = await getJSON(`/v1/jobs/${id}`, { signal })
      tell({ job })
      if (ended.has(job.status)) return job
    } catch (e) {
      if (signal?.aborted || (e instanceof Failure && e.status < 500 && e.status !== 429)) throw e
      if (tries >= 30) throw e
    }
  }
}

async function listen(id, tell, signal) {
  const answer = await send('GET', `/v1/jobs/${id}/events`, { headers: { Accept: 'text/event-stream' }, signal })
  if (!answer.headers.get('content-type')?.startsWith('text/event-stream')) return undefined
  for await (const { name, data } of events(answer.body)) {
    const { preview, type, ...job } = JSON.parse(data)
    if (name === 'error' || job.object === undefined) throw new Failure(503, job.error)
    tell({ job, preview })
    if (ended.has(job.status)) return job
  }
  return undefined // broken off
}

// events reads server-sent events. EventSource would do, but it sends no keys.
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      rest += value
      const blocks = rest.split(/\r?\n\r?\n/)
      rest = blocks.pop()
      for (const block of blocks) {
        let name = 'message'
        const data = []
        for (const line of block.split(/\r?\n/)) {
          const [, field, text] = /^(\w+): ?(.*)$/.exec(line) ?? []
          if (field === 'event') name = text
          if (field === 'data') data.push(text)
        }
        if (data.length) yield { name, data: data.join('\n') }
      }
    }
  } finally {
    reader.cancel().catch(() => {})
  }
}

const pause = (ms, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, ms)
  signal?.addEventListener('abort', () => { clearTimeout(timer); reject(signal.reason) }, { once: true })
})
