package auth

// CheckHash reports a text that is no hash in the PHC string format, and whether a sound one is written back as it was read.
func CheckHash(text string) (again string, err error) {
	p, err := parsePHC(text)
	return p.String(), err
}

// A Cache is the cache of what was verified, with text in it.
type Cache struct{ c *cache[int, string] }

// NewCache returns a cache of at most size entries.
func NewCache(size int) Cache { return Cache{newCache[int, string](size)} }

// Get returns the text kept under key.
func (c Cache) Get(key int) (string, bool) { return c.c.get(key) }

// Put keeps a text.
func (c Cache) Put(key int, text string) { c.c.update(key, func(string, bool) string { return text }) }

// Remove removes a text.
func (c Cache) Remove(key int) { c.c.remove(key) }

// Len returns how many entries the cache holds, copies of one entry in both generations counted twice.
func (c Cache) Len() int { return len(c.c.young) + len(c.c.old) }
