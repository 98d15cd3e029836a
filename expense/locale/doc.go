// Package locale formats amounts, months and days for people, by the conventions of a locale. The data comes from the
// Unicode Common Locale Data Repository ([CLDR]) and is embedded, so no function reads a file or returns an error.
//
// A locale is a BCP 47 language tag such as "de-CH". It is the Locale of [expense.Settings].
//
// [CLDR]: https://cldr.unicode.org
package locale
