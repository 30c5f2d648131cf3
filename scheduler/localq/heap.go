package localq

// heap is a binary heap whose elements know where they stand, so that any of them
// can be removed or moved in logarithmic time.
type heap[T any] struct {
	items []T
	less  func(a, b T) bool
	place func(T) *int // where the element keeps its index; -1 when outside
}

func (h *heap[T]) len() int { return len(h.items) }

func (h *heap[T]) min() T { return h.items[0] }

func (h *heap[T]) push(x T) {
	*h.place(x) = len(h.items)
	h.items = append(h.items, x)
	h.up(len(h.items) - 1)
}

// remove takes x out; an element that is not inside is left alone.
func (h *heap[T]) remove(x T) {
	i := *h.place(x)
	if i < 0 {
		return
	}
	last := len(h.items) - 1
	h.swap(i, last)
	var none T
	h.items[last] = none
	h.items = h.items[:last]
	*h.place(x) = -1
	if i < last {
		h.down(i)
		h.up(i)
	}
}

// fix restores the order after x has changed.
func (h *heap[T]) fix(x T) {
	h.down(*h.place(x))
	h.up(*h.place(x))
}

func (h *heap[T]) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !h.less(h.items[i], h.items[parent]) {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h *heap[T]) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h.items); child++ {
			if h.less(h.items[child], h.items[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		h.swap(i, least)
		i = least
	}
}

func (h *heap[T]) swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	*h.place(h.items[i]), *h.place(h.items[j]) = i, j
}
