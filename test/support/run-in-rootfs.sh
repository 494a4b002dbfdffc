#!/bin/sh
# usage: run-in-rootfs.sh ROOT [SOURCE:TARGET ...] -- COMMAND [ARGUMENT ...]
#
# Runs a command in a root file system as a container engine would: as PID 1 of a PID namespace and as the user of the image, without
# privileges, with a read-only root. Each SOURCE is mounted on TARGET, which exists in ROOT or is below /run. Needs root.
set -eu
if [ "${IN_NAMESPACES:-}" = '' ]; then
  # SIGKILL for all of it when unshare ends.
  exec env IN_NAMESPACES=1 unshare --mount --pid --fork --kill-child -- "$0" "$@"
fi
unset IN_NAMESPACES
root=$1
shift
mount --make-rprivate /
mount --bind "$root" "$root"
mount -o remount,bind,ro,nosuid,nodev "$root"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t tmpfs -o nosuid,mode=755 tmpfs "$root/dev"
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs "$root/run"
for device in null zero full random urandom; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
while [ "$1" != -- ]; do
  case $1 in *:/run/*) mkdir -p "$root/${1#*:}" ;; esac
  mount --bind "${1%%:*}" "$root/${1#*:}"
  shift
done
shift
exec setpriv --no-new-privs chroot --userspec=65532:65532 --groups= "$root" "$@"
