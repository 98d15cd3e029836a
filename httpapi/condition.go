package httpapi

import (
	"net/http"
	"strconv"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/internal/ingress"
)

// etag returns the strong entity tag of a version.
func etag(version expense.Version) string {
	return `"` + strconv.FormatInt(int64(version), 10) + `"`
}

// condition parses If-Match and If-None-Match of a write.
func condition(header http.Header) (expense.Precondition, error) {
	var cond expense.Precondition
	if lines := header.Values("If-Match"); len(lines) > 0 {
		tags, wildcard, err := parseETags("If-Match", lines)
		if err != nil {
			return expense.Precondition{}, err
		}
		cond.Present = wildcard
		for _, tag := range tags {
			// If-Match compares strongly, so a weak tag matches no row. Version 0 does the same.
			var version expense.Version
			if !tag.Weak {
				version = versionOf(tag)
			}
			cond.Versions = append(cond.Versions, version)
		}
	}
	if lines := header.Values("If-None-Match"); len(lines) > 0 {
		_, wildcard, err := parseETags("If-None-Match", lines)
		if err != nil {
			return expense.Precondition{}, err
		}
		if !wildcard {
			return expense.Precondition{}, newFieldProblem(codeMalformed, fieldError{
				Header: "If-None-Match", Code: "not_a_star",
				Detail: "A write accepts only the value * in If-None-Match. It then succeeds only if the resource does not exist.",
			})
		}
		cond.Absent = true
	}
	return cond, nil
}

// notModified reports whether If-None-Match of a read lists version. It returns a problem if the header is malformed.
func notModified(header http.Header, version expense.Version) (bool, error) {
	lines := header.Values("If-None-Match")
	if len(lines) == 0 {
		return false, nil
	}
	tags, wildcard, err := parseETags("If-None-Match", lines)
	for _, tag := range tags {
		if versionOf(tag) == version {
			return true, nil
		}
	}
	return wildcard, err
}

// versionOf returns the version of a tag, or 0 if the tag is not one that etag returns. No row has version 0.
func versionOf(tag ingress.ETag) expense.Version {
	n, err := strconv.ParseInt(tag.Opaque, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != tag.Opaque {
		return 0
	}
	return expense.Version(n)
}

// parseETags parses the lines of a header. It returns a problem that names the header if they are malformed.
func parseETags(name string, lines []string) (tags []ingress.ETag, wildcard bool, err error) {
	if tags, wildcard, err = ingress.ParseETags(lines); err != nil {
		err = newFieldProblem(codeMalformed, fieldError{
			Header: name, Code: "malformed_tag",
			Detail: name + ` must be * or a list of at most 100 entity tags in double quotes, such as "12".`,
		})
	}
	return tags, wildcard, err
}
