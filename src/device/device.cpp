#include "device/device.hpp"

#include <fmt/format.h>

namespace faceflow {

std::string_view name(device_kind kind) noexcept {
    switch (kind) {
        case device_kind::cpu: return "cpu";
        case device_kind::emulated: return "emulated";
        case device_kind::cuda: return "cuda";
    }
    return "unknown";
}

result<void> transfer(stream& on, direction d, std::byte* device_memory, const host_block& host, std::size_t bytes,
                      const tag& t) {
    if (bytes > host.bytes) {
        return fail(errc::internal,
                    fmt::format("a transfer of {} bytes does not fit its host block of {}", bytes, host.bytes));
    }
    device& owner = on.owner();
    owner.book().record_transfer(d, bytes, host.pinned, t);
    owner.copy(on, d, device_memory, host, bytes);
    return {};
}

result<void> synchronise(stream& on, event& e, const tag& t) {
    device& owner = on.owner();
    on.record(e);
    if (!owner.shares_host_memory()) owner.book().record_sync(t);
    if (auto waited = owner.wait_on_host(e); !waited) return waited;
    return on.take_error();
}

}  // namespace faceflow
