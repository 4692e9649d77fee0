#include "device/device.hpp"

#include <fmt/format.h>

#include <exception>
#include <new>

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
    if (d == direction::device_to_host && !host.pinned && !owner.shares_host_memory()) owner.book().record_sync(t);
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

result<void> wait_until_done(device& owner, event& e, const tag& t) {
    if (e.done()) return {};
    owner.book().record_sync(t);
    return owner.wait_on_host(e);
}

result<void> attempt(const stream::task& work) noexcept {
    try {
        return work();
    } catch (const std::bad_alloc&) {
        return fail(errc::out_of_memory, "the machine is out of memory");
    } catch (const std::exception& e) {
        return fail(errc::internal, e.what());
    } catch (...) {
        return fail(errc::internal, "work on a stream threw something that is not a std::exception");
    }
}

}  // namespace faceflow
