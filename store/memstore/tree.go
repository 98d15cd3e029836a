package memstore

import (
	"iter"
	"math/rand/v2"
)

// A tree is a persistent ordered map. The methods with and without return a new tree, which shares all nodes with the
// old tree except those on the path to the key. A snapshot is a copy of the struct. The tree is a treap: random
// priorities keep it balanced.
type tree[K, V any] struct {
	root    *node[K, V]
	compare func(K, K) int
}

type node[K, V any] struct {
	key         K
	value       *V
	priority    uint64
	left, right *node[K, V]
}

func newTree[K, V any](compare func(K, K) int) tree[K, V] { return tree[K, V]{compare: compare} }

func (t tree[K, V]) get(key K) (V, bool) {
	for n := t.root; n != nil; {
		switch c := t.compare(key, n.key); {
		case c < 0:
			n = n.left
		case c > 0:
			n = n.right
		default:
			return *n.value, true
		}
	}
	var zero V
	return zero, false
}

func (t tree[K, V]) empty() bool { return t.root == nil }

// with returns a tree that also maps key to value.
func (t tree[K, V]) with(key K, value V) tree[K, V] {
	t.root = t.insert(t.root, key, &value)
	return t
}

// without returns a tree that does not contain key.
func (t tree[K, V]) without(key K) tree[K, V] {
	t.root = t.remove(t.root, key)
	return t
}

// all yields keys and values in ascending order of the keys.
func (t tree[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		t.root.walk(func(key K, value *V) bool { return yield(key, *value) })
	}
}

// values yields the values in ascending order of their keys.
func (t tree[K, V]) values() iter.Seq[V] {
	return func(yield func(V) bool) {
		t.root.walk(func(_ K, value *V) bool { return yield(*value) })
	}
}

// rows yields pointers to the values, in ascending order of their keys. Callers must not change the values.
func (t tree[K, V]) rows() iter.Seq[*V] {
	return func(yield func(*V) bool) { t.root.walk(func(_ K, value *V) bool { return yield(value) }) }
}

func (n *node[K, V]) walk(yield func(K, *V) bool) bool {
	return n == nil || n.left.walk(yield) && yield(n.key, n.value) && n.right.walk(yield)
}

// insert returns a copy of n that contains the value. All nodes on the path are new copies, so rotations may write to
// them.
func (t tree[K, V]) insert(n *node[K, V], key K, value *V) *node[K, V] {
	if n == nil {
		return &node[K, V]{key: key, value: value, priority: rand.Uint64()}
	}
	top := *n
	switch c := t.compare(key, n.key); {
	case c < 0:
		top.left = t.insert(n.left, key, value)
		if child := top.left; child.priority > top.priority {
			top.left, child.right = child.right, &top
			return child
		}
	case c > 0:
		top.right = t.insert(n.right, key, value)
		if child := top.right; child.priority > top.priority {
			top.right, child.left = child.left, &top
			return child
		}
	default:
		top.value = value
	}
	return &top
}

func (t tree[K, V]) remove(n *node[K, V], key K) *node[K, V] {
	if n == nil {
		return nil
	}
	top := *n
	switch c := t.compare(key, n.key); {
	case c < 0:
		top.left = t.remove(n.left, key)
	case c > 0:
		top.right = t.remove(n.right, key)
	default:
		return join(n.left, n.right)
	}
	return &top
}

// join merges two trees; all keys of a must be less than all keys of b.
func join[K, V any](a, b *node[K, V]) *node[K, V] {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.priority > b.priority:
		top := *a
		top.right = join(a.right, b)
		return &top
	default:
		top := *b
		top.left = join(a, b.left)
		return &top
	}
}
