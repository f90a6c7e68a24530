// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/net/file_descriptor.hpp>

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace weft::net {

void file_descriptor::close() noexcept { ::close(std::exchange(fd_, -1)); }

file_descriptor file_descriptor::duplicate() const {
    const int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        throw failure::from(boost::system::error_code(errno, boost::system::system_category()),
                            "cannot duplicate a descriptor");
    return file_descriptor(copy);
}

}  // namespace weft::net
