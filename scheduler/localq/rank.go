package localq

import "math/rand/v2"

// ranking holds the jobs of a class in the order of acceptance and counts their
// queued images, so that the oldest job and the images before any job are found in
// logarithmic time. It is a treap: a search tree by acceptance that random
// priorities keep shallow.
type ranking struct{ root *rankNode }

type rankNode struct {
	entry       *entry
	priority    uint64
	images      int // queued images of this job
	sum         int // and of all jobs below
	left, right *rankNode
}

func (n *rankNode) total() int {
	if n == nil {
		return 0
	}
	return n.sum
}

func (n *rankNode) count() { n.sum = n.images + n.left.total() + n.right.total() }

// images returns how many images are queued.
func (r *ranking) images() int { return r.root.total() }

// first returns the job accepted first, nil when there is none.
func (r *ranking) first() *entry {
	n := r.root
	if n == nil {
		return nil
	}
	for n.left != nil {
		n = n.left
	}
	return n.entry
}

// set tells how many images of a job are queued; at 0 the job leaves.
func (r *ranking) set(e *entry, images int) {
	path := make([]*rankNode, 0, 64)
	n := r.root
	for n != nil && n.entry != e {
		path = append(path, n)
		if e.seq < n.entry.seq {
			n = n.left
		} else {
			n = n.right
		}
	}
	switch {
	case n == nil && images > 0:
		less, more := split(r.root, e.seq)
		n = &rankNode{entry: e, priority: rand.Uint64(), images: images, sum: images}
		r.root = merge(merge(less, n), more)
	case n == nil:
	case images == 0:
		below := merge(n.left, n.right)
		switch {
		case len(path) == 0:
			r.root = below
		case path[len(path)-1].left == n:
			path[len(path)-1].left = below
		default:
			path[len(path)-1].right = below
		}
		recount(path)
	default:
		n.images = images
		n.count()
		recount(path)
	}
}

// before returns how many images of earlier jobs are queued.
func (r *ranking) before(e *entry) (images int) {
	for n := r.root; n != nil; {
		if e.seq <= n.entry.seq {
			n = n.left
			continue
		}
		images += n.images + n.left.total()
		n = n.right
	}
	return images
}

func recount(path []*rankNode) {
	for i := len(path) - 1; i >= 0; i-- {
		path[i].count()
	}
}

// split parts a tree into the jobs before seq and those from it on.
func split(n *rankNode, seq uint64) (less, more *rankNode) {
	if n == nil {
		return nil, nil
	}
	if n.entry.seq < seq {
		n.right, more = split(n.right, seq)
		n.count()
		return n, more
	}
	less, n.left = split(n.left, seq)
	n.count()
	return less, n
}

// merge joins two trees, all of a before all of b.
func merge(a, b *rankNode) *rankNode {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.priority > b.priority:
		a.right = merge(a.right, b)
		a.count()
		return a
	default:
		b.left = merge(a, b.left)
		b.count()
		return b
	}
}
