#!/bin/sh
# SPDX-License-Identifier: MIT
# control.t under KVM, and what only that has: power button, balloon, vCPUs.
# needs: kvm
here=$(dirname "$0")
VK_ENGINE=kvm
export VK_ENGINE
exec sh "$here/control.t"
