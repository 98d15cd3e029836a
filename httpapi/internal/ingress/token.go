package ingress

import (
	"errors"
	"net/http"
)

// MaxToken is the maximum length of an Idempotency-Key and of similar ids that a client chooses, in characters.
const MaxToken = 255

// ErrIdempotencyKey reports a malformed Idempotency-Key.
var ErrIdempotencyKey = errors.New("the Idempotency-Key is not one line of 1 to 255 letters, digits and . _ : -")

// IdempotencyKey returns the value of the Idempotency-Key header without its optional quotes, or "" without the header.
// The only error is ErrIdempotencyKey.
func IdempotencyKey(header http.Header) (string, error) {
	lines := header.Values("Idempotency-Key")
	if len(lines) == 0 {
		return "", nil
	}
	key := lines[0]
	if len(key) >= 2 && key[0] == '"' && key[len(key)-1] == '"' {
		key = key[1 : len(key)-1]
	}
	if len(lines) > 1 || !IsToken(key, MaxToken) {
		return "", ErrIdempotencyKey
	}
	return key, nil
}

// IsToken reports whether text has 1 to maxLength characters of [A-Za-z0-9._:-].
func IsToken(text string, maxLength int) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == ':', c == '-':
		default:
			return false
		}
	}
	return len(text) >= 1 && len(text) <= maxLength
}
