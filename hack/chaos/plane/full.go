package plane

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
)

// alarm is etcd's message about one, as its gateway for JSON words it; the id is a number of 64 bits as a string.
type alarm struct {
	MemberID string `json:"memberID"`
	Alarm    string `json:"alarm"`
}

// Fill has etcd behave as one whose disk quota is used up: it takes no write but deletions, until it is given room.
// etcd does the same to itself, and keeps it over a restart.
func (p *Plane) Fill() {
	p.t.Helper()
	_, err := p.alarms(map[string]any{"action": "ACTIVATE", "alarm": "NOSPACE", "memberID": p.member()})
	harness.Must(p.t, err)
}

// Empty ends what Fill began, as an operator does who has compacted and defragmented etcd.
func (p *Plane) Empty() {
	p.t.Helper()
	raised, err := p.alarms(map[string]any{"action": "GET"})
	harness.Must(p.t, err)
	for _, one := range raised {
		_, err := p.alarms(map[string]any{"action": "DEACTIVATE", "alarm": one.Alarm, "memberID": one.MemberID})
		harness.Must(p.t, err)
	}
}

func (p *Plane) alarms(request any) ([]alarm, error) {
	var answer struct {
		Alarms []alarm `json:"alarms"`
	}
	err := p.ask("/v3/maintenance/alarm", request, &answer)
	return answer.Alarms, err
}

func (p *Plane) member() string {
	p.t.Helper()
	var answer struct {
		Header struct {
			MemberID string `json:"member_id"`
		} `json:"header"`
	}
	harness.Must(p.t, p.ask("/v3/maintenance/status", struct{}{}, &answer))
	return answer.Header.MemberID
}

// ask sends a request to etcd's gateway for JSON.
func (p *Plane) ask(path string, request, answer any) error {
	address, err := p.Process(Etcd).address("--listen-client-urls")
	if err != nil {
		return err
	}
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: 30 * time.Second}
	response, err := client.Post(address+path, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd answers %s: %s", response.Status, text)
	}
	return json.Unmarshal(text, answer)
}
