// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>
#include <memory>
#include <vector>

#include "core/read_once.hpp"
#include "core/worker_pool.hpp"
#include "vision/block_kernels.hpp"
#include "vision/kernels.hpp"
#include "vision/sample.hpp"

namespace faceflow::internal::vision {
namespace {

bool near_a_picture(const region& r) {
    constexpr float most = 1e6f;
    const float numbers[] = {r.cx, r.cy, r.size, r.angle};
    return std::all_of(std::begin(numbers), std::end(numbers), [](float x) { return x >= -most && x <= most; });
}

// Rows per part, so that a part is worth a thread: some 50 us.
constexpr std::int32_t rows_of_part = 48;

std::int32_t parts_of(const tensor_target& t) {
    return (t.height + rows_of_part - 1) / rows_of_part;
}

// Calls work(i, first row, end row) for the parts of `pictures` pictures, on as many threads as are idle.
template <class Work>
void in_parts(worker_pool* helpers, std::int32_t pictures, const tensor_target& of, const Work& work) {
    const std::int32_t parts = parts_of(of);
    const auto part = [&](std::int32_t i) {
        const std::int32_t first = i % parts * rows_of_part;
        work(i / parts, first, std::min(first + rows_of_part, of.height));
    };
    if (helpers != nullptr) return helpers->for_each(pictures * parts, part);
    for (std::int32_t i = 0; i < pictures * parts; ++i)
        part(i);
}

// Runs the block functions on kernel addresses of device memory: on the stream's thread, with the device's helpers for
// filling pictures.
class host_kernels final : public kernels {
public:
    explicit host_kernels(device& d) : device_(d), helpers_(d.helpers()) {}

    void letterbox(stream& s, std::span<const image> pictures,
                   std::span<const faceflow::internal::vision::letterbox> fits, const tensor_target& target) override {
        s.run([sources = sources_of(pictures), fits = std::vector(fits.begin(), fits.end()), target = mapped(target),
               helpers = helpers_]() -> result<void> {
            in_parts(helpers, static_cast<std::int32_t>(sources.size()), target,
                     [&](std::int32_t picture, std::int32_t first, std::int32_t end) {
                         const auto i = static_cast<std::size_t>(picture);
                         tensor_target one = target;
                         one.data += i * target.bytes();
                         sample_letterbox(sources[i], fits[i], one, first, end);
                     });
            return {};
        });
    }

    void detect(stream& s, std::span<const detector_output> outputs, const detect_options& options,
                detect_scratch* scratch, const face_table& faces) override {
        std::vector<detector_output> all(outputs.begin(), outputs.end());
        for (detector_output& o : all) {
            for (std::int32_t i = 0; i < o.levels; ++i) {
                o.level[i].scores = mapped(o.level[i].scores);
                o.level[i].boxes = mapped(o.level[i].boxes);
                o.level[i].keypoints = mapped(o.level[i].keypoints);
            }
        }
        s.run([all = std::move(all), options, scratch = mapped(scratch), faces = mapped(faces)]() -> result<void> {
            for (std::size_t i = 0; i < all.size(); ++i)
                detect_faces(serial_block{}, all[i], options, scratch + i, faces.of[i]);
            return {};
        });
    }

    void crop(stream& s, std::span<const image> pictures, const face_table& faces, std::int32_t first,
              const crop_target& target) override {
        s.run([sources = sources_of(pictures), faces = mapped(faces), first, t = target, data = mapped(target.data),
               helpers = helpers_]() -> result<void> {
            const tensor_target out = t.picture(data);
            const std::int32_t n = std::min(faces_in(faces) - first, t.capacity);
            struct place {
                std::int32_t frame = 0;
                affine frame_from_crop;
            };
            std::vector<place> places;
            places.reserve(static_cast<std::size_t>(std::max(n, 0)));
            for (std::int32_t i = 0; i < n; ++i) {
                // If processes share the faces, their number may have changed, and their content is untrusted.
                const face_position at = locate(faces, first + i);
                if (at.frame < 0) break;
                const region area = read_once(&faces.of[at.frame]->items()[at.item].area);
                if (!near_a_picture(area)) return fail(errc::corrupt, "a face that lies outside any picture");
                places.push_back({at.frame, frame_from_region(area, static_cast<float>(t.size))});
            }
            in_parts(helpers, static_cast<std::int32_t>(places.size()), out,
                     [&](std::int32_t picture, std::int32_t from, std::int32_t end) {
                         const place& p = places[static_cast<std::size_t>(picture)];
                         tensor_target one = out;
                         one.data += static_cast<std::size_t>(picture) * out.bytes();
                         sample(sources[static_cast<std::size_t>(p.frame)], p.frame_from_crop, one,
                                {from, end, 0, one.width});
                     });
            return {};
        });
    }

    void finish(stream& s, const face_batch& batch, const mesh_output& mesh, std::span<const mesh_options> options,
                const pass_results& results) override {
        const mesh_output outputs{mapped(mesh.landmarks), mapped(mesh.scores), mapped(mesh.points), mapped(mesh.crops)};
        const auto pass = std::make_shared<const finish_pass>(
            make_finish_pass({mapped(batch.faces), batch.first, batch.capacity}, outputs, options, mapped(results)));
        s.run([pass]() -> result<void> {
            quality_scratch scratch;
            for (std::int32_t i = 0; i < pass->capacity; ++i) {
                finish_number(serial_block{}, *pass, i);
                measure_number(serial_block{}, *pass, i, scratch);
            }
            return {};
        });
    }

    void put_blendshapes(stream& s, const face_batch& batch, const float* values,
                         const pass_results& results) override {
        const blendshape_pass pass{mapped(batch.faces), batch.first, batch.capacity, mapped(values), mapped(results)};
        s.run([pass]() -> result<void> {
            for (std::int32_t i = 0; i < pass.capacity; ++i)
                put_number(serial_block{}, pass, i);
            return {};
        });
    }

    void merge(stream& s, const face_table& found, const face_table& faces, std::span<const bool> begins,
               const merge_options& options) override {
        const merge_pass pass = make_merge_pass(mapped(found), mapped(faces), begins, options);
        s.run([pass]() -> result<void> {
            for (std::int32_t i = 0; i < pass.faces.frames; ++i)
                merge_frame(serial_block{}, pass, i);
            return {};
        });
    }

    void propagate(stream& s, const pass_results& results, float min_presence, const face_table& faces) override {
        s.run([results = mapped(results), min_presence, faces = mapped(faces)]() -> result<void> {
            for (std::int32_t i = 0; i < faces.frames; ++i)
                propagate_faces(serial_block{}, results, i, min_presence, faces.of[i]);
            return {};
        });
    }

private:
    template <class T>
    T* mapped(T* device_address) const {
        auto* bytes = reinterpret_cast<std::byte*>(const_cast<std::remove_const_t<T>*>(device_address));
        return bytes == nullptr ? nullptr : reinterpret_cast<T*>(device_.kernel_address(bytes));
    }
    tensor_target mapped(tensor_target t) const {
        t.data = mapped(t.data);
        return t;
    }
    face_table mapped(face_table t) const {
        for (std::int32_t i = 0; i < t.frames; ++i)
            t.of[i] = mapped(t.of[i]);
        return t;
    }
    pass_results mapped(pass_results r) const {
        r.headers = mapped(r.headers);
        return r;
    }
    std::vector<sampling_source> sources_of(std::span<const image> pictures) const {
        std::vector<sampling_source> all;
        all.reserve(pictures.size());
        for (image picture : pictures) {
            for (auto& p : picture.planes)
                p.data = mapped(p.data);
            all.push_back(make_sampling_source(picture));
        }
        return all;
    }

    device& device_;
    worker_pool* const helpers_;
};

}  // namespace

std::unique_ptr<kernels> make_host_kernels(device& d) {
    return std::make_unique<host_kernels>(d);
}

}  // namespace faceflow::internal::vision
