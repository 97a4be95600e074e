/* SPDX-License-Identifier: MIT */
/*
 * pci.c - virtio over PCI, modern only, with MSI-X
 *
 * Locks: `lock` guards the registers and is held while the device starts and
 * stops in its own thread (loop_call). What a device does to its transport
 * from there (config_interrupt) therefore takes no lock: three atomics and an
 * eventfd.
 *
 * Interrupt sources (msix.h) are the queues and, last, the configuration. KVM
 * takes its time over event descriptors (it waits for all vCPUs), so they are
 * set at DRIVER_OK, and when something changes after.
 */
#include "cmd/vk-boot/virtio/pci.h"

#include "cmd/vk-boot/virtio/msix.h"

#include "common/scope.h"

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define WINDOW_SIZE   0x8000
#define AT_COMMON     0x0000
#define AT_ISR        0x1000
#define AT_CONFIG     0x2000
#define AT_NOTIFY     0x3000
#define AT_TABLE      0x4000
#define AT_PENDING    0x5000
#define NOTIFY_STRIDE 4

_Static_assert(VIRTIO_QUEUES_MAX + 1 <= MSIX_SOURCES_MAX,
    "each queue is a source, and the configuration");

#define ISR_QUEUE  1
#define ISR_CONFIG 2

struct virtio_pci {
	struct pci_device pci; /* first: callbacks get this */
	struct pci *bus;
	struct kvm *kvm;
	struct virtio_device *dev;
	pthread_mutex_t lock;

	uint32_t device_feature_select, driver_feature_select;
	uint64_t driver_features;
	uint8_t status;
	uint16_t queue_select;
	atomic_bool needs_reset;
	atomic_uint generation;
	atomic_uint isr;

	int config_fd;
	struct msix msix;
	uint8_t window_capability;
	uint64_t notify_at; /* where ioeventfds are, 0: nowhere */
};

const struct filter_call virtio_pci_calls[] = {
    CALL(write), /* eventfds */
    CALLS_END,
};

/* ---- interrupts ---- */

static void
config_interrupt(void *transport, bool needs_reset)
{
	struct virtio_pci *tp = transport;

	if (needs_reset)
		atomic_store(&tp->needs_reset, true);
	else
		atomic_fetch_add(&tp->generation, 1);
	atomic_fetch_or(&tp->isr, ISR_CONFIG);
	eventfd_give(tp->config_fd);
}

static const struct virtio_transport_ops transport_ops = {
    .config_interrupt = config_interrupt,
};

/* ---- kicks ---- */

/* Moves the queues' ioeventfds to where they should be, 0: nowhere. */
static void
place_kicks(struct virtio_pci *tp, uint64_t at)
{
	if (tp->notify_at == at)
		return;
	for (unsigned i = 0; i < tp->dev->queue_count; i++) {
		int fd = tp->dev->queues[i].kick_fd;

		if (tp->notify_at)
			kvm_ioeventfd(tp->kvm,
			    tp->notify_at + NOTIFY_STRIDE * i, 0, fd, false);
		/* Where it fails, the write is an exit and still arrives. */
		if (at)
			kvm_ioeventfd(
			    tp->kvm, at + NOTIFY_STRIDE * i, 0, fd, true);
	}
	tp->notify_at = at;
}

static void
update_kicks(struct virtio_pci *tp)
{
	uint64_t window = pci_window_at(&tp->pci);
	bool running = tp->status & VIRTIO_CONFIG_S_DRIVER_OK;

	place_kicks(tp, running && window ? window + AT_NOTIFY : 0);
}

/* ---- common configuration (4.1.4.3) ---- */

static void
reset(struct virtio_pci *tp)
{
	tp->status = 0;
	update_kicks(tp);
	msix_run(&tp->msix, false);
	virtio_device_stop(tp->dev);
	tp->driver_features = 0;
	tp->device_feature_select = tp->driver_feature_select = 0;
	tp->queue_select = 0;
	msix_reset(&tp->msix);
	atomic_store(&tp->needs_reset, false);
	atomic_store(&tp->isr, 0);
}

static void
set_status(struct virtio_pci *tp, uint8_t value)
{
	uint8_t added = value & (uint8_t)~tp->status;

	if (value == 0) {
		reset(tp);
		return;
	}
	/* 3.1.1: features that were not offered do not become OK. */
	if (added & VIRTIO_CONFIG_S_FEATURES_OK &&
	    (tp->driver_features & ~tp->dev->offered ||
		!(tp->driver_features & FEATURE_VERSION_1)))
		added &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	if (added & VIRTIO_CONFIG_S_DRIVER_OK &&
	    !(tp->status & VIRTIO_CONFIG_S_FEATURES_OK))
		added &= (uint8_t)~VIRTIO_CONFIG_S_DRIVER_OK;
	tp->status |= added;
	if (added & VIRTIO_CONFIG_S_DRIVER_OK) {
		msix_run(&tp->msix, true);
		update_kicks(tp);
		virtio_device_start(tp->dev, tp->driver_features);
	}
}

/* The selected queue while it may still be set up, else NULL. */
static struct virtq *
queue_to_set(struct virtio_pci *tp)
{
	if (tp->queue_select >= tp->dev->queue_count ||
	    tp->status & VIRTIO_CONFIG_S_DRIVER_OK)
		return NULL;
	return &tp->dev->queues[tp->queue_select];
}

/* Replaces one half of a 64-bit register. */
static void
set_half(uint64_t *reg, bool high, uint32_t value)
{
	if (high)
		*reg = (*reg & 0xffffffff) | (uint64_t)value << 32;
	else
		*reg = (*reg & ~0xffffffffull) | value;
}

#define REG(field) offsetof(struct virtio_pci_common_cfg, field)

static void
set_queue(struct virtio_pci *tp, unsigned reg, uint32_t value)
{
	struct virtq *vq = queue_to_set(tp);

	if (!vq || vq->ready)
		return;
	switch (reg) {
	case REG(queue_size):
		vq->size = (uint16_t)value;
		break;
	case REG(queue_enable):
		vq->ready = value == 1;
		break;
	case REG(queue_desc_lo):
	case REG(queue_desc_hi):
		set_half(&vq->desc, reg == REG(queue_desc_hi), value);
		break;
	case REG(queue_avail_lo):
	case REG(queue_avail_hi):
		set_half(&vq->driver, reg == REG(queue_avail_hi), value);
		break;
	case REG(queue_used_lo):
	case REG(queue_used_hi):
		set_half(&vq->device, reg == REG(queue_used_hi), value);
		break;
	}
}

static void
set_common(struct virtio_pci *tp, unsigned reg, uint32_t value)
{
	switch (reg) {
	case REG(device_feature_select):
		tp->device_feature_select = value;
		break;
	case REG(guest_feature_select):
		tp->driver_feature_select = value;
		break;
	case REG(guest_feature):
		if (tp->driver_feature_select < 2 &&
		    !(tp->status & VIRTIO_CONFIG_S_FEATURES_OK))
			set_half(&tp->driver_features,
			    tp->driver_feature_select == 1, value);
		break;
	case REG(msix_config):
		msix_set_vector(
		    &tp->msix, tp->dev->queue_count, (uint16_t)value);
		break;
	case REG(device_status):
		set_status(tp, (uint8_t)value);
		break;
	case REG(queue_select):
		tp->queue_select = (uint16_t)value;
		break;
	case REG(queue_msix_vector):
		if (tp->queue_select < tp->dev->queue_count)
			msix_set_vector(
			    &tp->msix, tp->queue_select, (uint16_t)value);
		break;
	default:
		set_queue(tp, reg, value);
	}
}

static uint32_t
half(uint64_t value, uint32_t select)
{
	return select == 0   ? (uint32_t)value
	       : select == 1 ? (uint32_t)(value >> 32)
			     : 0;
}

static uint32_t
get_queue(const struct virtio_pci *tp, unsigned reg)
{
	const struct virtq *vq;

	if (tp->queue_select >= tp->dev->queue_count)
		return 0; /* 4.1.4.3.1: a size of 0 says that it is not there */
	vq = &tp->dev->queues[tp->queue_select];
	switch (reg) {
	case REG(queue_size):
		return vq->size;
	case REG(queue_msix_vector):
		return msix_vector(&tp->msix, tp->queue_select);
	case REG(queue_enable):
		return vq->ready;
	case REG(queue_notify_off):
		return tp->queue_select;
	case REG(queue_desc_lo):
	case REG(queue_desc_hi):
		return half(vq->desc, reg == REG(queue_desc_hi));
	case REG(queue_avail_lo):
	case REG(queue_avail_hi):
		return half(vq->driver, reg == REG(queue_avail_hi));
	case REG(queue_used_lo):
	case REG(queue_used_hi):
		return half(vq->device, reg == REG(queue_used_hi));
	}
	return 0;
}

static uint32_t
get_common(const struct virtio_pci *tp, unsigned reg)
{
	switch (reg) {
	case REG(device_feature_select):
		return tp->device_feature_select;
	case REG(device_feature):
		return half(tp->dev->offered, tp->device_feature_select);
	case REG(guest_feature_select):
		return tp->driver_feature_select;
	case REG(guest_feature):
		return half(tp->driver_features, tp->driver_feature_select);
	case REG(msix_config):
		return msix_vector(&tp->msix, tp->dev->queue_count);
	case REG(num_queues):
		return tp->dev->queue_count;
	case REG(device_status):
		return tp->status | (tp->status && atomic_load(&tp->needs_reset)
					    ? VIRTIO_CONFIG_S_NEEDS_RESET
					    : 0);
	case REG(config_generation):
		return atomic_load(&tp->generation) & 0xff;
	case REG(queue_select):
		return tp->queue_select;
	}
	return get_queue(tp, reg);
}

/* The register's own width (4.1.3.1); any other access is none. */
static unsigned
common_width(unsigned reg)
{
	if (reg == REG(device_status) || reg == REG(config_generation))
		return 1;
	if (reg == REG(msix_config) || reg == REG(num_queues) ||
	    (reg >= REG(queue_select) && reg < REG(queue_desc_lo)))
		return 2;
	return 4;
}

static void
common_access(struct virtio_pci *tp, uint64_t offset, uint8_t *data,
    unsigned len, bool write)
{
	unsigned reg = (unsigned)offset;

	if (len == 8 && reg % 8 == 0 && reg >= REG(queue_desc_lo)) {
		common_access(tp, offset, data, 4, write);
		common_access(tp, offset + 4, data + 4, 4, write);
		return;
	}
	if (reg >= sizeof(struct virtio_pci_common_cfg) ||
	    len != common_width(reg) || reg % len != 0) {
		if (!write)
			memset(data, 0, len);
		return;
	}
	if (write)
		set_common(tp, reg, (uint32_t)bus_value(data, len));
	else
		bus_answer(data, len, get_common(tp, reg));
}

/* ---- the window ---- */

static void
locked_access(struct virtio_pci *tp, uint64_t offset, uint8_t *data,
    unsigned len, bool write)
{
	uint64_t inside = offset & 0xfff;

	switch (offset & ~0xfffull) {
	case AT_COMMON:
		common_access(tp, inside, data, len, write);
		break;
	case AT_ISR:
		if (!write)
			bus_answer(data, len,
			    inside == 0 ? atomic_exchange(&tp->isr, 0) : 0);
		break;
	case AT_TABLE:
		msix_table_access(&tp->msix, inside, data, len, write);
		break;
	case AT_PENDING:
		if (!write)
			msix_pending_access(&tp->msix, inside, data, len);
		break;
	default:
		if (!write)
			memset(data, 0, len);
	}
}

static void
window(struct pci_device *pci, uint64_t offset, uint8_t *data, unsigned len,
    bool write)
{
	struct virtio_pci *tp = (struct virtio_pci *)pci;
	uint64_t page = offset & ~0xfffull;
	unsigned queue = (unsigned)(offset & 0xfff) / NOTIFY_STRIDE;

	if (page == AT_NOTIFY) {
		if (write && queue < tp->dev->queue_count)
			eventfd_give(tp->dev->queues[queue].kick_fd);
		else if (!write)
			memset(data, 0, len);
		return;
	}
	/* Devices are asked for nothing while the registers are locked. */
	if (page == AT_CONFIG) {
		if (write)
			virtio_config_write(tp->dev, offset & 0xfff, data, len);
		else
			virtio_config_read(tp->dev, offset & 0xfff, data, len);
		return;
	}
	pthread_mutex_lock(&tp->lock);
	locked_access(tp, offset, data, len, write);
	pthread_mutex_unlock(&tp->lock);
}

/* ---- configuration space ---- */

/* 4.1.4.9: the window, seen through configuration space. */
static void
window_by_config(struct virtio_pci *tp, bool write)
{
	unsigned at = tp->window_capability;
	uint32_t offset = pci_get(&tp->pci, at + VIRTIO_PCI_CAP_OFFSET, 4);
	uint32_t len = pci_get(&tp->pci, at + VIRTIO_PCI_CAP_LENGTH, 4);
	uint8_t *data = tp->pci.config + at + sizeof(struct virtio_pci_cap);

	if (tp->pci.config[at + VIRTIO_PCI_CAP_BAR] != 0 ||
	    (len != 1 && len != 2 && len != 4) || offset % len != 0 ||
	    offset > WINDOW_SIZE - len)
		return;
	window(&tp->pci, offset, data, len, write);
}

static bool
touches(unsigned offset, unsigned len, unsigned at, unsigned size)
{
	return offset < at + size && at < offset + len;
}

static void
config_reading(struct pci_device *pci, unsigned offset, unsigned len)
{
	struct virtio_pci *tp = (struct virtio_pci *)pci;

	if (touches(offset, len,
		tp->window_capability + sizeof(struct virtio_pci_cap), 4))
		window_by_config(tp, false);
}

static void
config_written(struct pci_device *pci, unsigned offset, unsigned len)
{
	struct virtio_pci *tp = (struct virtio_pci *)pci;

	if (touches(offset, len,
		tp->window_capability + sizeof(struct virtio_pci_cap), 4))
		window_by_config(tp, true);
	pthread_mutex_lock(&tp->lock);
	if (touches(offset, len, PCI_COMMAND, 2) ||
	    touches(offset, len, PCI_BASE_ADDRESS_0, 4))
		update_kicks(tp);
	msix_config_written(&tp->msix, offset, len);
	pthread_mutex_unlock(&tp->lock);
}

/* The whole machine is reset. */
static void
reset_device(struct pci_device *pci)
{
	struct virtio_pci *tp = (struct virtio_pci *)pci;

	pthread_mutex_lock(&tp->lock);
	reset(tp);
	msix_power_on(&tp->msix);
	pthread_mutex_unlock(&tp->lock);
}

static void
add_structure(
    struct virtio_pci *tp, uint8_t type, uint32_t offset, uint32_t len)
{
	struct virtio_pci_notify_cap cap = {
	    .cap = {.cap_vndr = PCI_CAP_ID_VNDR,
		.cap_len = sizeof(struct virtio_pci_cap),
		.cfg_type = type,
		.offset = offset,
		.length = len},
	    .notify_off_multiplier = NOTIFY_STRIDE,
	};
	uint8_t at;

	/* The one kind has a multiplier, the other its four bytes of data. */
	if (type == VIRTIO_PCI_CAP_NOTIFY_CFG || type == VIRTIO_PCI_CAP_PCI_CFG)
		cap.cap.cap_len = sizeof(cap);
	at = pci_capability(&tp->pci, &cap, cap.cap.cap_len);
	if (type != VIRTIO_PCI_CAP_PCI_CFG)
		return;
	tp->window_capability = at;
	tp->pci.writable[at + VIRTIO_PCI_CAP_BAR] = 0xff;
	memset(tp->pci.writable + at + VIRTIO_PCI_CAP_OFFSET, 0xff, 12);
}

/* PCI class codes by device type; what has none is "other". */
static uint32_t
class_of(uint16_t type)
{
	switch (type) {
	case VIRTIO_TYPE_NET:
		return 0x020000;
	case VIRTIO_TYPE_BLK:
		return 0x018000;
	case VIRTIO_TYPE_CONSOLE:
		return 0x078000;
	default:
		return 0xff0000;
	}
}

static int
add_sources(struct virtio_pci *tp, struct err *e)
{
	unsigned queues = tp->dev->queue_count;

	msix_init(&tp->msix, &tp->pci, tp->kvm);
	tp->config_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (tp->config_fd < 0)
		return err_errno(e, EX_OSERR, "%s", tp->dev->ops->name);
	for (unsigned i = 0; i <= queues; i++)
		if (msix_add(&tp->msix, i < queues ? tp->dev->queues[i].call_fd
						   : tp->config_fd) < 0)
			return err_set(e, EX_SOFTWARE, "%s: too many devices",
			    tp->dev->ops->name);
	msix_expose(&tp->msix, AT_TABLE, AT_PENDING);
	return 0;
}

/* All but its place on the bus. NULL with err. */
static struct virtio_pci *
make(struct virtio_device *dev, struct pci *bus, struct kvm *kvm, struct err *e)
{
	struct virtio_pci *tp = calloc(1, sizeof(*tp));
	struct pci_identity id = {
	    .vendor = PCI_VENDOR_VIRTIO,
	    .device = (uint16_t)(0x1040 + dev->ops->type), /* 4.1.2 */
	    .subsystem_vendor = PCI_VENDOR_VIRTIO,
	    .subsystem = (uint16_t)(0x1040 + dev->ops->type),
	    .class = class_of(dev->ops->type),
	    .revision = 1,
	};

	if (!tp) {
		err_errno(e, EX_OSERR, "%s", dev->ops->name);
		return NULL;
	}
	tp->bus = bus;
	tp->kvm = kvm;
	tp->dev = dev;
	tp->config_fd = -1;
	pthread_mutex_init(&tp->lock, NULL);
	pci_device_init(&tp->pci, &id);
	tp->pci.window_size = WINDOW_SIZE;
	tp->pci.window = window;
	tp->pci.reset = reset_device;
	tp->pci.config_reading = config_reading;
	tp->pci.config_written = config_written;
	if (add_sources(tp, e) < 0) {
		virtio_pci_free(tp);
		return NULL;
	}
	add_structure(tp, VIRTIO_PCI_CAP_COMMON_CFG, AT_COMMON, 0x1000);
	add_structure(tp, VIRTIO_PCI_CAP_ISR_CFG, AT_ISR, 0x1000);
	add_structure(tp, VIRTIO_PCI_CAP_DEVICE_CFG, AT_CONFIG, 0x1000);
	add_structure(tp, VIRTIO_PCI_CAP_NOTIFY_CFG, AT_NOTIFY, 0x1000);
	add_structure(tp, VIRTIO_PCI_CAP_PCI_CFG, 0, 0);
	dev->transport = tp;
	dev->transport_ops = &transport_ops;
	return tp;
}

struct virtio_pci *
virtio_pci_new(
    struct virtio_device *dev, struct pci *bus, struct kvm *kvm, struct err *e)
{
	struct virtio_pci *tp = make(dev, bus, kvm, e);

	if (!tp || pci_add(bus, &tp->pci) == 0)
		return tp;
	err_set(e, EX_USAGE, "%s: more than %d devices", dev->ops->name,
	    PCI_DEVICES_MAX - 1);
	virtio_pci_free(tp);
	return NULL;
}

/* Gives KVM back what it was given. */
static void
forget(struct virtio_pci *tp)
{
	pthread_mutex_lock(&tp->lock);
	reset(tp);
	pthread_mutex_unlock(&tp->lock);
}

struct virtio_pci *
virtio_pci_plug(struct virtio_device *dev, struct pci *bus, struct kvm *kvm,
    unsigned number, struct err *e)
{
	struct virtio_pci *tp = make(dev, bus, kvm, e);

	if (!tp || pci_plug(bus, number, &tp->pci) == 0)
		return tp;
	err_set(e, EX_UNAVAILABLE, "%s: its place is taken", dev->ops->name);
	forget(tp);
	virtio_pci_free(tp);
	return NULL;
}

void
virtio_pci_unplug(struct virtio_pci *tp, unsigned number)
{
	pci_unplug(tp->bus, number);
	forget(tp);
	virtio_pci_free(tp);
}

void
virtio_pci_free(struct virtio_pci *tp)
{
	if (!tp)
		return;
	virtio_device_stop(tp->dev);
	tp->dev->transport_ops = NULL;
	msix_forget(&tp->msix);
	fd_close(&tp->config_fd);
	pthread_mutex_destroy(&tp->lock);
	free(tp);
}
