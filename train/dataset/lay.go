package dataset

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
)

// hold parts the images that are held out from the others.
func (s *Set) hold(kept []*Item) {
	h := s.options.Held
	hashes := map[*Item]uint64{}
	var may []*Item
	for _, i := range kept {
		if !i.Source.Prior {
			sum := sha256.Sum256([]byte("held " + i.Name))
			hashes[i] = binary.BigEndian.Uint64(sum[:])
			may = append(may, i)
		}
	}
	held := map[*Item]bool{}
	for _, i := range may {
		// A share of all hashes: 53 bits are what a float64 holds.
		held[i] = float64(hashes[i]>>11) < h.Share*(1<<53)
	}
	if h.Count > 0 {
		slices.SortStableFunc(may, func(a, b *Item) int { return cmp.Compare(hashes[a], hashes[b]) })
		for n, i := range may {
			held[i] = n < h.Count
		}
	}
	for _, i := range kept {
		if held[i] {
			s.Held = append(s.Held, i)
		} else {
			s.items = append(s.items, i)
		}
	}
}

// maxEntries bounds an epoch's visits, whose order is kept in memory.
const maxEntries = 1 << 28

// lay makes the plan: buckets, and batches of those that are held out.
func (s *Set) lay() error {
	sizes := s.options.Buckets.Sizes()
	entries, held := map[Size][]int32{}, map[Size][]int{}
	left := false
	total := 0
	for _, i := range s.items {
		left = left || !i.Source.Prior
		total += max(1, i.Source.Repeats)
	}
	if total > maxEntries {
		return fmt.Errorf("dataset: an epoch would have %d images, expected at most %d: lower the repeats", total, maxEntries)
	}
	for n, i := range s.items {
		for range max(1, i.Source.Repeats) {
			entries[i.Bucket] = append(entries[i.Bucket], int32(n))
		}
	}
	if !left {
		return fmt.Errorf("dataset: all %d images are held out, expected some to learn from", len(s.Held))
	}
	for n, i := range s.Held {
		held[i.Bucket] = append(held[i.Bucket], n)
	}
	var buckets []bucket
	for _, size := range sizes {
		all, batch := entries[size], s.options.Batch
		switch {
		case len(all) == 0:
			s.empty = append(s.empty, size)
		case len(all) < batch && s.options.DropLast:
			s.note("size %s has %d images, fewer than a batch of %d: none is learned from", size, len(all), batch)
		case len(all) < batch:
			s.note("size %s has %d images, fewer than a batch of %d: a batch has some of them twice or more", size, len(all), batch)
		}
		if len(all) > 0 {
			buckets = append(buckets, bucket{size: size, entries: all})
		}
		for chunk := range slices.Chunk(held[size], batch) {
			s.held = append(s.held, chunk)
		}
	}
	s.plans = newPlans(s.options.Seed, s.options.Batch, s.options.DropLast, buckets)
	if s.plans.batches == 0 {
		return fmt.Errorf("dataset: no size has as many images as a batch, %d, and incomplete batches are dropped", s.options.Batch)
	}
	return nil
}
