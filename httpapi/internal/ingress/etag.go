package ingress

import (
	"errors"
	"strings"
)

// An ETag is an entity tag (RFC 9110, section 8.8.3).
type ETag struct {
	Weak   bool
	Opaque string // without the quotes
}

// maxETags is the maximum number of entity tags in a header.
const maxETags = 100

// ErrETags reports a header that is neither "*" nor a list of at most 100 entity tags.
var ErrETags = errors.New(`the value is neither * nor a list of at most 100 entity tags in double quotes`)

// ParseETags parses the lines of If-Match or If-None-Match. wildcard is true for the value "*". The only error is
// ErrETags.
func ParseETags(lines []string) (tags []ETag, wildcard bool, err error) {
	text := strings.Trim(strings.Join(lines, ","), " \t")
	if text == "*" {
		return nil, true, nil
	}
	for rest := text; rest != ""; {
		var tag ETag
		rest, tag.Weak = strings.CutPrefix(rest, "W/")
		body, opened := strings.CutPrefix(rest, `"`)
		opaque, after, closed := strings.Cut(body, `"`)
		if !opened || !closed || !isOpaque(opaque) || len(tags) == maxETags {
			return nil, false, ErrETags
		}
		tag.Opaque = opaque
		tags = append(tags, tag)
		after = strings.TrimLeft(after, " \t")
		if after == "" {
			break
		}
		next, comma := strings.CutPrefix(after, ",")
		if rest = strings.TrimLeft(next, " \t,"); !comma || rest == "" {
			return nil, false, ErrETags
		}
	}
	if len(tags) == 0 {
		return nil, false, ErrETags
	}
	return tags, false, nil
}

// isOpaque reports whether text may stand between the quotes of an entity tag.
func isOpaque(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < 0x21 || c == 0x7f {
			return false
		}
	}
	return true
}
