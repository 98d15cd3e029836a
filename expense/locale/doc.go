// Package locale writes amounts, months and days the way readers of a locale expect them. The data comes from the
// Unicode Common Locale Data Repository ([CLDR]) and is embedded, so that no call reads a file or fails.
//
// A locale is a BCP 47 language tag such as "de-CH". It is the Locale of [expense.Settings].
//
// [CLDR]: https://cldr.unicode.org
package locale
