package httpapi

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/spendwise/spendwise/expense"
)

// etag returns the strong entity tag of a version.
func etag(version expense.Version) string {
	return `"` + strconv.FormatInt(int64(version), 10) + `"`
}

// condition reads If-Match and If-None-Match of a write.
func condition(header http.Header) (expense.Precondition, error) {
	var cond expense.Precondition
	if lines := header.Values("If-Match"); len(lines) > 0 {
		tags, anyTag, err := parseTags("If-Match", lines)
		if err != nil {
			return expense.Precondition{}, err
		}
		cond.Present = anyTag
		for _, tag := range tags {
			// A tag that no row can have, weak or not a version, matches none: version 0.
			cond.Versions = append(cond.Versions, tag.strongVersion())
		}
	}
	if lines := header.Values("If-None-Match"); len(lines) > 0 {
		_, anyTag, err := parseTags("If-None-Match", lines)
		if err != nil {
			return expense.Precondition{}, err
		}
		if !anyTag {
			return expense.Precondition{}, newFieldProblem(codeMalformed, fieldError{
				Header: "If-None-Match", Code: "not_a_star", Detail: "On a write If-None-Match is * and says that nothing may be there yet.",
			})
		}
		cond.Absent = true
	}
	return cond, nil
}

// notModified reports whether If-None-Match says that the client has this version already. A header that cannot be read is
// an error.
func notModified(header http.Header, version expense.Version) (bool, error) {
	lines := header.Values("If-None-Match")
	if len(lines) == 0 {
		return false, nil
	}
	tags, anyTag, err := parseTags("If-None-Match", lines)
	if err != nil {
		return false, err
	}
	for _, tag := range tags {
		if tag.version() == version {
			return true, nil
		}
	}
	return anyTag, nil
}

// An entityTag is RFC 9110's: an opaque text, weak or strong.
type entityTag struct {
	weak   bool
	opaque string
}

// version returns the version that the tag stands for, or 0, which no row has.
func (t entityTag) version() expense.Version {
	n, err := strconv.ParseInt(t.opaque, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != t.opaque {
		return 0
	}
	return expense.Version(n)
}

func (t entityTag) strongVersion() expense.Version {
	if t.weak {
		return 0
	}
	return t.version()
}

// maxTags bounds how many tags one header may list.
const maxTags = 100

// parseTags reads the field value "*" or a list of entity tags.
func parseTags(name string, lines []string) (tags []entityTag, anyTag bool, err error) {
	text := strings.Trim(strings.Join(lines, ","), " \t")
	if text == "*" {
		return nil, true, nil
	}
	for rest := text; rest != ""; {
		var tag entityTag
		rest, tag.weak = strings.CutPrefix(rest, "W/")
		body, opened := strings.CutPrefix(rest, `"`)
		opaque, after, closed := strings.Cut(body, `"`)
		if !opened || !closed || !opaqueTag(opaque) || len(tags) == maxTags {
			return nil, false, malformedTags(name)
		}
		tag.opaque = opaque
		tags = append(tags, tag)
		after = strings.TrimLeft(after, " \t")
		if after == "" {
			break
		}
		next, comma := strings.CutPrefix(after, ",")
		if rest = strings.TrimLeft(next, " \t,"); !comma || rest == "" {
			return nil, false, malformedTags(name)
		}
	}
	if len(tags) == 0 {
		return nil, false, malformedTags(name)
	}
	return tags, false, nil
}

func opaqueTag(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < 0x21 || c == 0x7f {
			return false
		}
	}
	return true
}

func malformedTags(name string) error {
	return newFieldProblem(codeMalformed, fieldError{
		Header: name, Code: "malformed_tag",
		Detail: name + ` is * or a list of entity tags in double quotes, such as "12".`,
	})
}
