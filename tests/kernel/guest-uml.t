#!/bin/sh
# SPDX-License-Identifier: MIT
# The same as guest.t for our User-mode Linux: it needs no KVM.
here=$(dirname "$0")
VK_ENGINE=uml
export VK_ENGINE
exec sh "$here/guest.t"
