package statement

import (
	"strings"
	"sync"

	"github.com/spendwise/spendwise/export/wire"
)

// A signature describes the files of a bank or a program: the names of columns that all of them have, and the members
// of the mapping that do not follow from the names and the values.
type signature struct {
	name    string
	columns []string // in the form of foldHeader
	mapping Mapping
}

// ownSignature is that of our own CSV export.
var ownSignature = signature{
	name: "SpendWise", columns: strings.Split(strings.ReplaceAll(wire.CSVHeader, "_", " "), ","),
	mapping: Mapping{
		Preset: ownPreset,
		Date:   DateColumn{Column: "date"}, Amount: AmountColumn{Column: "amount"},
		Sign: Sign{Expense: "positive"}, Income: "refund", Currency: Source{Column: "currency"},
		Category: Source{Column: "category"}, Notes: Columns{[]string{"notes"}}, ID: Column{"id"},
	},
}

// signatures returns the known signatures. Of several that fit, the first is taken.
var signatures = sync.OnceValue(func() []signature {
	negative, positive := Sign{Expense: "negative"}, Sign{Expense: "positive"}
	date := func(column string) DateColumn { return DateColumn{Column: column} }
	amount := func(column string) AmountColumn { return AmountColumn{Column: column} }
	notes := func(columns ...string) Columns { return Columns{columns} }
	list := []struct {
		name, columns string
		mapping       Mapping
	}{
		{"Revolut", "Type|Product|Started Date|Description|Amount|Fee|Currency|State", Mapping{
			Date: date("Started Date"), Sign: negative, Notes: notes("Description"),
			Except: Choice{"State", []string{"REVERTED", "DECLINED", "FAILED", "PENDING"}},
		}},
		{"N26", "Booking Date|Partner Name|Payment Reference|Amount (EUR)", Mapping{
			Date: date("Booking Date"), Sign: negative, Notes: notes("Partner Name", "Payment Reference"),
		}},
		{"DKB", "Buchungsdatum|Wertstellung|Status|Verwendungszweck|Umsatztyp|Kundenreferenz", Mapping{
			Sign: negative, Except: Choice{"Status", []string{"Vorgemerkt"}},
		}},
		{"ING (Germany)", "Buchung|Valuta|Auftraggeber/Empfänger|Buchungstext|Verwendungszweck|Betrag",
			Mapping{Sign: negative}},
		{"Sparkasse", "Auftragskonto|Buchungstag|Valutadatum|Buchungstext|Verwendungszweck|Betrag|Info", Mapping{
			Sign: negative, Except: Choice{"Info", []string{"Umsatz vorgemerkt"}},
		}},
		{"Sparkasse", "Auftragskonto|Buchungstag|Valutadatum|Buchungstext|Verwendungszweck|Betrag", Mapping{Sign: negative}},
		{"Volks- und Raiffeisenbank", "Bezeichnung Auftragskonto|Buchungstag|Valutadatum|Betrag|Waehrung",
			Mapping{Sign: negative}},
		{"comdirect", "Buchungstag|Wertstellung (Valuta)|Vorgang|Buchungstext|Umsatz in EUR", Mapping{
			Sign: negative, Notes: notes("Vorgang", "Buchungstext"),
		}},
		{"ING (Netherlands)", "Datum|Naam / Omschrijving|Rekening|Tegenrekening|Af Bij|Bedrag (EUR)|Mededelingen", Mapping{}},
		{"Rabobank", "IBAN/BBAN|Munt|Datum|Bedrag|Naam tegenpartij|Omschrijving-1|Omschrijving-2|Omschrijving-3", Mapping{
			Sign: negative, Currency: Source{Column: "Munt"},
			Notes: notes("Naam tegenpartij", "Omschrijving-1", "Omschrijving-2", "Omschrijving-3"),
		}},
		{"bunq", "Date|Interest Date|Amount|Account|Counterparty|Name|Description", Mapping{
			Sign: negative, Notes: notes("Name", "Description"),
		}},
		{"Wise", "TransferWise ID|Date|Amount|Currency|Description", Mapping{
			Sign: negative, ID: Column{"TransferWise ID"}, Notes: notes("Description"),
		}},
		{"PayPal", "Date|Time|Name|Type|Status|Currency|Gross|Fee|Net", Mapping{
			Amount: amount("Net"), Sign: negative, Fee: Fee{}, Notes: notes("Name", "Type"),
			Only: Choice{"Status", []string{"Completed"}},
			Except: Choice{"Type", []string{"Account Hold for Open Authorization", "Reversal of General Account Hold",
				"General Authorization", "Void of Authorization"}},
		}},
		{"Chase (card)", "Transaction Date|Post Date|Description|Category|Type|Amount", Mapping{
			Date: date("Transaction Date"), Sign: negative, Notes: notes("Description"),
		}},
		{"Chase (account)", "Details|Posting Date|Description|Amount|Type|Balance", Mapping{
			Sign: negative, Notes: notes("Description"),
		}},
		{"Discover", "Trans. Date|Post Date|Description|Amount|Category", Mapping{Sign: positive}},
		{"Apple Card", "Transaction Date|Clearing Date|Description|Merchant|Category|Type|Amount (USD)", Mapping{
			Sign: positive, Notes: notes("Merchant"),
		}},
		{"American Express", "Date|Description|Card Member|Account #|Amount", Mapping{Sign: positive}},
		{"Monzo", "Transaction ID|Date|Time|Type|Name|Category|Amount|Currency", Mapping{
			Sign: negative, Notes: notes("Name"), Category: Source{Column: "Category"},
		}},
		{"Starling", "Date|Counter Party|Reference|Type|Amount (GBP)|Balance (GBP)", Mapping{
			Sign: negative, Notes: notes("Counter Party", "Reference"),
		}},
		{"Nubank (account)", "Data|Valor|Identificador|Descrição", Mapping{Sign: negative, ID: Column{"Identificador"}}},
		{"Nubank (card)", "date|title|amount", Mapping{Sign: positive}},
		{"Swedbank", "Radnummer|Clearingnummer|Kontonummer|Bokföringsdag|Transaktionsdag|Referens|Beskrivning|Belopp",
			Mapping{Sign: negative}},
		{"Alipay", "交易时间|交易分类|交易对方|商品说明|收/支|金额|交易状态", Mapping{
			Currency: Source{Value: "CNY"}, Notes: notes("交易对方", "商品说明"),
		}},
		{"WeChat Pay", "交易时间|交易类型|交易对方|商品|收/支|金额(元)|当前状态", Mapping{
			Currency: Source{Value: "CNY"}, Notes: notes("交易对方", "商品"),
		}},
		{"Mint", "Date|Description|Original Description|Amount|Transaction Type|Category|Account Name", Mapping{
			Date: DateColumn{Layout: "MM/DD/YYYY"}, Currency: Source{Value: "USD"}, Notes: notes("Description"),
		}},
		{"YNAB", "Account|Date|Payee|Category Group|Category|Memo|Outflow|Inflow", Mapping{
			Income: "refund", Notes: notes("Payee", "Memo"), Category: Source{Column: "Category"},
			Except: Choice{"Category Group", []string{"", "Inflow", "Income", "Credit Card Payments",
				"Internal Master Category"}},
		}},
		{"Firefly III", "journal_id|type|amount|currency_code|description|date|category", Mapping{
			Date: date("date"), Amount: amount("amount"), Currency: Source{Column: "currency_code"}, Sign: negative,
			Notes: notes("description"), Category: Source{Column: "category"}, Only: Choice{"type", []string{"Withdrawal"}},
		}},
		{"ezBookkeeping", "Time|Timezone|Type|Category|Sub Category|Account|Account Currency|Amount", Mapping{
			Date: date("Time"), Amount: amount("Amount"), Currency: Source{Column: "Account Currency"}, Sign: positive,
			Category: Source{Column: "Sub Category"}, Only: Choice{"Type", []string{"Expense"}},
		}},
		{"Splitwise", "Date|Description|Category|Cost|Currency", Mapping{
			Amount: amount("Cost"), Sign: positive, Notes: notes("Description"),
		}},
		{"Spendee", "Date|Wallet|Type|Category name|Amount|Currency|Note", Mapping{Notes: notes("Note")}},
		{"Wallet by BudgetBakers", "account|category|currency|amount|type|payment_type|note|date",
			Mapping{Notes: notes("note")}},
		{"Monefy", "date|account|category|amount|currency|converted amount|description", Mapping{
			Sign: negative, Notes: notes("description"),
		}},
		{"Actual", "Account|Date|Payee|Notes|Category|Amount|Split_Amount|Cleared", Mapping{
			Sign: negative, Notes: notes("Payee", "Notes"),
		}},
	}
	known := make([]signature, len(list))
	for i, s := range list {
		known[i] = signature{name: s.name, columns: foldedAll(strings.Split(s.columns, "|")), mapping: s.mapping}
	}
	return known
})

func foldedAll(names []string) []string {
	folded := make([]string, len(names))
	for i, name := range names {
		folded[i] = foldHeader(name)
	}
	return folded
}
