package loop

import "cosmicman/train"

// mean adds up batches' losses in order.
type mean struct {
	total  float64
	weight float64
	parts  []partMean
}

type partMean struct {
	name        string
	sum, weight float64
}

func (m *mean) add(l train.Losses, weight float64) {
	m.total += weight * l.Total
	m.weight += weight
	for _, p := range l.Parts {
		i := 0
		for i < len(m.parts) && m.parts[i].name != p.Name {
			i++
		}
		if i == len(m.parts) {
			m.parts = append(m.parts, partMean{name: p.Name})
		}
		m.parts[i].sum += weight * p.Value
		m.parts[i].weight += weight
	}
}

// losses are the means; a part's is of the batches that have it.
func (m *mean) losses() (l train.Losses) {
	if m.weight == 0 {
		return l
	}
	l.Total = m.total / m.weight
	for _, p := range m.parts {
		l.Parts = append(l.Parts, train.Part{Name: p.name, Value: p.sum / p.weight})
	}
	return l
}
