package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// etcdCPU is what the control plane's etcd has used so far: it is a child of the program that started the bench too, whose
// build of etcd is called server. 0 if there is none on this machine.
func (l *lab) etcdCPU() time.Duration {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		name, fields := stat(file)
		if (name == "etcd" || name == "server") && len(fields) > 1 && fields[1] == strconv.Itoa(os.Getppid()) {
			return cpuTime(fields)
		}
	}
	return 0
}

// stat reads what the kernel says of a process: its name, and what comes after that. The name is in brackets and may hold anything.
func stat(file string) (name string, fields []string) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", nil
	}
	begin, end := strings.IndexByte(string(text), '('), strings.LastIndexByte(string(text), ')')
	return string(text[begin+1 : end]), strings.Fields(string(text[end+1:]))
}

// cpuTime adds up utime and stime, which are 14 and 15 of all fields, in ticks: USER_HZ is 100 on every Linux.
func cpuTime(fields []string) time.Duration {
	var ticks int
	for _, field := range fields[11:13] {
		n := 0
		_, _ = fmt.Sscan(field, &n)
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
}
