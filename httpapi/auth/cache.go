package auth

import "sync"

// A cache is an approximate LRU cache of at most size entries. It holds two generations: when the young one reaches
// half of size, it replaces the old one, and old entries that were not used since then are dropped. The zero value is
// not usable; see newCache.
type cache[K comparable, V any] struct {
	mu         sync.Mutex
	half       int
	young, old map[K]V
}

func newCache[K comparable, V any](size int) *cache[K, V] {
	return &cache[K, V]{half: size / 2, young: make(map[K]V)}
}

func (c *cache[K, V]) get(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.find(key)
}

// update stores the result of change under key. ok is false if the cache has no entry for key.
func (c *cache[K, V]) update(key K, change func(value V, ok bool) V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(key, change(c.find(key)))
}

func (c *cache[K, V]) remove(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.young, key)
	delete(c.old, key)
}

func (c *cache[K, V]) find(key K) (V, bool) {
	value, ok := c.young[key]
	if ok {
		return value, true
	}
	if value, ok = c.old[key]; ok {
		c.put(key, value)
	}
	return value, ok
}

func (c *cache[K, V]) put(key K, value V) {
	if _, ok := c.young[key]; !ok && len(c.young) >= c.half {
		c.old, c.young = c.young, make(map[K]V)
	}
	c.young[key] = value
}
