package inference

import "cosmicman/tensor"

// Bytes is the memory that a model's weights take while it is loaded: the mapped
// files of what drawing needs, packed copies of linear layers, and float32 copies
// of what is stored in another type; the latter two once more for each session that
// LoRAs have, and the LoRAs that are kept. Activations come on top.
func (m *Model) Bytes() int64 {
	n := m.unet.bytes() + m.decoder.bytes() + m.encoder.bytes() + m.combined.size()
	for i := range m.texts {
		n += m.texts[i].bytes()
	}
	for _, v := range m.adapted {
		n += v.bytes()
	}
	return n
}

// bytes of the mapped files and what a session has of its own.
func (n *network) bytes() int64 { return n.sum(func(mapped, own int64) int64 { return mapped + own }) }

// own is what a session has beside the mapped files.
func (n *network) own() int64 { return n.sum(func(_, own int64) int64 { return own }) }

func (n *network) sum(of func(mapped, own int64) int64) (total int64) {
	for _, p := range n.graph.Params {
		e, ok := n.component.Index.Lookup(p.Name)
		if !ok {
			continue // Load has refused such a model
		}
		own := int64(0)
		if e.DType != tensor.Float32 || len(p.Shape) == 2 && !n.settings.Lean {
			own = e.Length / int64(e.DType.Size()) * int64(tensor.Float32.Size())
		}
		total += of(e.Length, own)
	}
	return total
}
