package policy

import (
	"net/http"
	"time"
)

const (
	// maxDuration is the longest lifetime and the greatest age (RFC 9111 §1.2.2). Four of them still fit in a
	// time.Duration, so that sums need no care.
	maxDuration = maxSeconds * time.Second

	// clockAgreement is how far Date and Age may be apart for the origin's clock to count as synchronised with
	// ours: each cache on the way may have rounded Age down.
	clockAgreement = 2 * time.Second
)

// clamp brings a duration between 0 and maxDuration.
func clamp(d time.Duration) time.Duration { return max(0, min(d, maxDuration)) }

// initialAge is corrected_initial_age (RFC 9111 §4.2.3): the received Age plus the whole response delay, in full
// resolution, since only the Age that is sent is rounded down.
//
// apparent_age, response_time minus Date, is for clocks that are "reasonably well synchronized". One response alone
// cannot tell a clock that is wrong from an answer that is old, and a wrong clock must not shorten lifetimes. So Date
// counts only where an Age field bears it out, to restore the fractions that Age lost on its way. A Date is rounded
// down as well: the age that is certain begins one second after it.
func initialAge(res *Response) time.Duration {
	age, received := AgeField(res.Header["Age"])
	age = clamp(age + clamp(res.ResponseTime.Sub(res.RequestTime)))
	date, ok := fieldDate(res.Header, "Date", res.ResponseTime)
	if !received || !ok {
		return age
	}
	apparent := clamp(res.ResponseTime.Sub(date) - time.Second)
	if apparent > age && apparent-age <= clockAgreement {
		return apparent
	}
	return age
}

// AgeField returns the value of a received Age field (RFC 9111 §5.1): the first member counts, of several lines the
// first; ok is false where the field is absent, or invalid and so ignored. Too large values saturate.
func AgeField(lines []string) (age time.Duration, ok bool) {
	for _, line := range lines {
		for more := true; more; {
			var member string
			member, line, more = cutMember(line)
			if member != "" {
				return deltaSeconds(member)
			}
		}
	}
	return 0, false
}

// Singleton returns the trimmed value of a field that may occur only once; ok is false where it is absent or has
// several lines.
func Singleton(lines []string) (value string, ok bool) {
	if len(lines) != 1 {
		return "", false
	}
	return trim(lines[0]), true
}

// fieldDate returns the date of a field that occurs once and is valid; now interprets two-digit years.
func fieldDate(h http.Header, name string, now time.Time) (time.Time, bool) {
	value, ok := Singleton(h[name])
	if !ok {
		return time.Time{}, false
	}
	return ParseDateAt(value, now)
}
