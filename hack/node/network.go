package main

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// nodeAddress is the node's own. The kubelet refuses one of 127.0.0.0/8.
const nodeAddress = "10.123.0.1"

// serviceAddress is that of the Service kubernetes, by which pods reach the API server. Where kube-proxy would send them
// from there to the API server, it just listens there.
const serviceAddress = "10.0.0.1"

// prepareNetwork brings up the loopback of this network namespace, which has nothing else, and gives it the two addresses.
func prepareNetwork() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	up, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	up.SetUint16(unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOOPBACK)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, up); err != nil {
		return fmt.Errorf("bring up the loopback: %w", err)
	}
	for i, address := range []string{nodeAddress, serviceAddress} {
		if err := addAddress(socket, fmt.Sprintf("lo:%d", i+1), address); err != nil {
			return fmt.Errorf("give the loopback %s: %w", address, err)
		}
	}
	return nil
}

// addAddress gives an interface an address alone, and none of its neighbours.
func addAddress(socket int, name, address string) error {
	for _, set := range []struct {
		request uint
		to      net.IP
	}{
		{unix.SIOCSIFADDR, net.ParseIP(address)},
		{unix.SIOCSIFNETMASK, net.IPv4bcast},
	} {
		ifreq, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		if err := ifreq.SetInet4Addr(set.to.To4()); err != nil {
			return err
		}
		if err := unix.IoctlIfreq(socket, set.request, ifreq); err != nil {
			return err
		}
	}
	return nil
}
