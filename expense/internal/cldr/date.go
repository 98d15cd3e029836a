package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// skeletons are the CLDR skeletons that package expense/locale uses: a year, a month with its year in full and
// abbreviated, a month alone, and a day.
var skeletons = []string{"y", "yMMMM", "yMMM", "MMM", "yMMMd"}

// fields are the pattern fields that package expense/locale supports.
const fields = "y Y M MM MMM MMMM LLL LLLL d dd"

// readDates adds the locale's date patterns and month names of the Gregorian calendar to keys.
func readDates(keys locale, dates files, name string) error {
	type names map[string]string
	var data struct {
		Main map[string]struct {
			Dates struct {
				Calendars struct {
					Gregorian struct {
						Months struct {
							Format     map[string]names `json:"format"`
							StandAlone map[string]names `json:"stand-alone"`
						} `json:"months"`
						Formats struct {
							Available map[string]string `json:"availableFormats"`
						} `json:"dateTimeFormats"`
					} `json:"gregorian"`
				} `json:"calendars"`
			} `json:"dates"`
		} `json:"main"`
	}
	if err := dates.decode("main/"+name+"/ca-gregorian.json", &data); err != nil {
		return err
	}
	calendar := data.Main[name].Dates.Calendars.Gregorian
	used := map[string]bool{}
	for _, skeleton := range skeletons {
		pattern := calendar.Formats.Available[skeleton]
		if err := fieldsOf(pattern, used); err != nil {
			return fmt.Errorf("pattern %s: %w", skeleton, err)
		}
		keys["pattern."+skeleton] = pattern
	}
	for field, months := range map[string]names{
		"MMM": calendar.Months.Format["abbreviated"], "MMMM": calendar.Months.Format["wide"],
		"LLL": calendar.Months.StandAlone["abbreviated"], "LLLL": calendar.Months.StandAlone["wide"],
	} {
		if !used[field] {
			continue
		}
		list := make([]string, 12)
		for i := range list {
			if list[i] = months[strconv.Itoa(i+1)]; list[i] == "" || strings.ContainsAny(list[i], "|\t\n") {
				return fmt.Errorf("month %d of %s is %q", i+1, field, list[i])
			}
		}
		keys["months."+field] = strings.Join(list, "|")
	}
	return nil
}

// fieldsOf adds the fields of a pattern to used. It returns an error if package expense/locale does not support a
// field.
func fieldsOf(pattern string, used map[string]bool) error {
	if pattern == "" {
		return errors.New("missing")
	}
	quoted := false
	for i := 0; i < len(pattern); {
		c := pattern[i]
		end := i + 1
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		for letter && !quoted && end < len(pattern) && pattern[end] == c {
			end++
		}
		switch {
		case c == '\'':
			quoted = !quoted
		case letter && !quoted:
			field := pattern[i:end]
			if !strings.Contains(" "+fields+" ", " "+field+" ") {
				return fmt.Errorf("%q has the unsupported field %s", pattern, field)
			}
			used[field] = true
		}
		i = end
	}
	return nil
}
