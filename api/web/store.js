// The gallery's images and the jobs that are under way, kept by the browser
// (IndexedDB). Nothing of it leaves this machine.

let opened
function open() {
  opened ??= new Promise((resolve, reject) => {
    const r = indexedDB.open('cosmicman', 1)
    r.onupgradeneeded = () => {
      r.result.createObjectStore('images', { keyPath: 'id' }).createIndex('created', 'created')
      r.result.createObjectStore('jobs', { keyPath: 'id' })
    }
    r.onsuccess = () => resolve(r.result)
    r.onerror = () => reject(r.error)
  })
  return opened
}

async function run(store, mode, act) {
  const db = await open()
  return new Promise((resolve, reject) => {
    const t = db.transaction(store, mode)
    const r = act(t.objectStore(store))
    t.oncomplete = () => resolve(r.result)
    t.onerror = t.onabort = () => reject(t.error)
  })
}

// images: {id, created, blob, fields, route, pictures, seed, width, height, model, revised, warnings}.
export const images = {
  put: (image) => run('images', 'readwrite', (s) => s.put(image)),
  delete: (id) => run('images', 'readwrite', (s) => s.delete(id)),
  all: async () => (await run('images', 'readonly', (s) => s.index('created').getAll())).reverse(),
}

// jobs: {id, created, fields, route, pictures}.
export const jobs = {
  put: (job) => run('jobs', 'readwrite', (s) => s.put(job)),
  delete: (id) => run('jobs', 'readwrite', (s) => s.delete(id)),
  all: () => run('jobs', 'readonly', (s) => s.getAll()),
}
