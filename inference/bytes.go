package inference

import "cosmicman/tensor"

// Bytes is the memory that a model's weights take while it is loaded: the mapped
// files of what drawing needs, packed copies of linear layers, and float32 copies
// of what is stored in another type. Activations come on top.
func (m *Model) Bytes() int64 {
	n := m.unet.bytes() + m.decoder.bytes() + m.encoder.bytes()
	for i := range m.texts {
		n += m.texts[i].bytes()
	}
	return n
}

func (n *network) bytes() (total int64) {
	for _, p := range n.graph.Params {
		e, ok := n.component.Index.Lookup(p.Name)
		if !ok {
			continue // Load has refused such a model
		}
		total += e.Length
		elements := e.Length / int64(e.DType.Size())
		if e.DType != tensor.Float32 || len(p.Shape) == 2 && !n.settings.Lean {
			total += elements * int64(tensor.Float32.Size())
		}
	}
	return total
}
