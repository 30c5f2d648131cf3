package sim

import "time"

// clock is virtual time and what is to happen in it. Things planned for the same
// time happen in the order they were planned.
type clock struct {
	now     time.Duration // since the start
	planned []happening   // a heap
	count   uint64
}

type happening struct {
	at    time.Duration
	order uint64
	do    func()
}

func (h happening) before(o happening) bool { return h.at < o.at || h.at == o.at && h.order < o.order }

// after plans something; a negative time is now.
func (c *clock) after(d time.Duration, do func()) {
	c.count++
	c.planned = append(c.planned, happening{c.now + max(0, d), c.count, do})
	for i := len(c.planned) - 1; i > 0; {
		parent := (i - 1) / 2
		if !c.planned[i].before(c.planned[parent]) {
			return
		}
		c.planned[i], c.planned[parent] = c.planned[parent], c.planned[i]
		i = parent
	}
}

// next lets the next thing happen; false when nothing is planned.
func (c *clock) next() bool {
	if len(c.planned) == 0 {
		return false
	}
	first, last := c.planned[0], len(c.planned)-1
	c.planned[0] = c.planned[last]
	c.planned[last] = happening{}
	c.planned = c.planned[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && c.planned[child+1].before(c.planned[child]) {
			child++
		}
		if !c.planned[child].before(c.planned[i]) {
			break
		}
		c.planned[i], c.planned[child] = c.planned[child], c.planned[i]
		i = child
	}
	c.now = first.at
	first.do()
	return true
}
