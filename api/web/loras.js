// LoRAs: what changes the model, chosen from a list that the server has, each with a weight.

import { $, h, icon, unique } from './dom.js'
import { change, form, onChange } from './form.js'

const most = 8

// loras shows the picker where there is something to pick, and returns how to offer:
// all that the server has, of which those are shown that fit a model.
export function loras() {
  const field = $('[data-param=lora]')
  const rows = $('#loras')
  const add = $('#lora-add')
  let offered = []
  const set = (list) => change({ lora: list })

  const row = ({ name, weight }, i) => {
    const id = unique('lora')
    const box = h('input', { id, type: 'number', min: -10, max: 10, step: 0.05, inputmode: 'decimal', value: weight, 'aria-label': `Weight of ${name}` })
    box.addEventListener('change', () => {
      const v = Number(box.value)
      if (box.value === '' || !(v >= -10 && v <= 10)) box.value = form.lora[i].weight
      else set(form.lora.map((l, k) => (k === i ? { name, weight: v } : l)))
    })
    const away = h('button', { type: 'button', class: 'quiet round', 'aria-label': `Without ${name}`, title: 'Take it away' }, icon('x'))
    away.addEventListener('click', () => {
      set(form.lora.filter((_, k) => k !== i))
      add.focus()
    })
    return h('li', null, h('span', { class: 'name', title: name }, name), box, away)
  }
  const show = () => {
    const left = offered.filter((l) => !form.lora.some((c) => c.name === l.id))
    rows.replaceChildren(...form.lora.map(row))
    add.replaceChildren(h('option', { value: '' }, form.lora.length ? 'One more' : 'None'), ...left.map((l) => h('option', { value: l.id }, l.id)))
    add.disabled = left.length === 0 || form.lora.length >= most
    field.hidden = offered.length === 0
  }
  add.addEventListener('change', () => { if (add.value) set([...form.lora, { name: add.value, weight: 1 }]) })
  onChange((names) => { if (names.includes('lora')) show() })
  show()
  return (all, model) => {
    const now = all.filter((l) => !model || l.models.includes(model.alias_of ?? model.id))
    const same = now.map((l) => l.id).join('\n') === offered.map((l) => l.id).join('\n')
    offered = now
    // What is not there any more would be refused.
    const kept = form.lora.filter((l) => offered.some((o) => o.id === l.name))
    if (kept.length !== form.lora.length) set(kept)
    else if (!same) show()
  }
}
