package auth

// ReencodeHash parses a password hash in the PHC string format and encodes it again.
func ReencodeHash(text string) (encoded string, err error) {
	p, err := parsePHC(text)
	return p.String(), err
}

// UseCheapHashes makes a password hash cost 8 KiB of memory and one pass.
func (u *Users) UseCheapHashes() { u.hasher.memory, u.hasher.passes = 8, 1 }

// A Cache exposes the package's cache with text values.
type Cache struct{ c *cache[int, string] }

func NewCache(size int) Cache { return Cache{newCache[int, string](size)} }

func (c Cache) Get(key int) (string, bool) { return c.c.get(key) }

func (c Cache) Put(key int, text string) { c.c.update(key, func(string, bool) string { return text }) }

func (c Cache) Remove(key int) { c.c.remove(key) }

func (c Cache) Len() int { return len(c.c.young) + len(c.c.old) }
